// SPDX-License-Identifier: Apache-2.0
// The encoder of one datagram in the telemetry format of mod_wsgi 6: a header, then fields up to the end,
// little-endian.
//
//   header  'WSGI' | version u8 | kind u8 | flags u16 | pid u32 | sequence u32 | stamp f64 (seconds since the epoch)
//   field   id u16 | type u8 | [number of elements u16, of bytes and arrays] | value
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::telemetry {

enum class Kind : std::uint8_t {
  kRequestMetrics = 2,
  kSlowRequest = 4,
  kProcessStarted = 5,
  kProcessStopping = 6,
  kProcessStopped = 7,
  kCollectionSnapshot = 8,
  kCollectionEvent = 9,
};

/// The fields with the names and numbers of the receiver. Times are seconds.
enum class Field : std::uint16_t {
  kModWsgiVersion = 1,
  kPythonVersion = 2,
  kApacheVersion = 3,
  kMpmName = 4,
  kHostname = 5,
  kProcessGroup = 6,
  kProcessParentPid = 7,
  kSamplePeriod = 10,
  kTelemetryInterval = 11,
  kSlowRequestsThreshold = 12,
  kSwitchInterval = 13,
  kRequestCount = 20,
  kRequestThroughput = 21,
  kCapacityUtilization = 22,
  kCpuUserUtilization = 30,
  kCpuSystemUtilization = 31,
  kCpuUtilization = 32,
  kMemoryRss = 40,
  kMemoryMaxRss = 41,
  kRequestThreadsMaximum = 50,
  kRequestThreadsStarted = 51,
  kRequestThreadsActive = 52,
  kPhaseMean = 60,     ///< First of eight, in the receiver's order of phases.
  kPhaseMin = 70,      ///< First of eight.
  kPhaseMax = 80,      ///< First of eight.
  kPhaseBuckets = 90,  ///< First of eight.
  kAmountTotal = 100,  ///< First of four, in the order of wsgi::kAmounts.
  kRequestThreadsCompleted = 110,
  kRequestThreadsBusyTime = 111,
  kRequestThreadsCpuTime = 112,
  kRequestThreadsCurrentElapsed = 113,
  kRequestThreadsMaxDuration = 114,
  kStatusTotal = 120,  ///< Class 1xx; the other four classes follow.
  kShutdownReason = 130,
  kProcessUptime = 131,
  kLifetimeRequestCount = 132,
  kActiveRequestsAtDecision = 133,
  kActiveRequestsAtExit = 134,
  kGracefulDrain = 135,
  kSlowRecordState = 200,
  kSlowStartStamp = 201,
  kSlowDuration = 202,
  kSlowThreadId = 203,
  kSlowLogId = 204,
  kSlowServerPid = 205,
  kSlowMethod = 210,
  kSlowScheme = 211,
  kSlowHostname = 212,
  kSlowScriptName = 213,
  kSlowPathInfo = 214,
  kSlowProtocol = 215,
  kSlowPeerIp = 216,
  kSlowUserAgent = 217,
  kSlowServerTime = 220,
  kSlowQueueTime = 221,
  kSlowDaemonTime = 222,
  kSlowApplicationTime = 223,
  kSlowGilWaitTime = 224,
  kSlowGilWaitCount = 225,
  kSlowAmount = 230,  ///< First of four, in the order of wsgi::kAmounts.
  kSlowInputReadTime = 234,
  kSlowOutputWriteTime = 235,
  kSlowStatus = 240,
  kSlowCpuUserTime = 250,
  kSlowCpuSystemTime = 251,
  kSlowActiveAtStart = 260,
  kSlowActiveAtCompletion = 261,
  kCollectionCount = 300,  ///< Generation 0; the two others follow, as for the next four.
  kCollectionThreshold = 303,
  kCollectionRuns = 306,
  kCollectionCollected = 309,
  kCollectionUncollectable = 312,
  kCollectionEnabled = 315,
  kCollectionFrozen = 316,
  kCollectionEventsDropped = 317,
  kCollectionEventStart = 320,
  kCollectionEventDuration = 321,
  kCollectionEventGeneration = 322,
  kCollectionEventCollected = 323,
  kCollectionEventUncollectable = 324,
};

/// Returns the field `count` numbers after `first`.
[[nodiscard]] constexpr Field after(Field first, std::size_t count) noexcept {
  return static_cast<Field>(static_cast<std::size_t>(first) + count);
}

class Datagram {
 public:
  struct Header {
    std::uint32_t pid = 0;
    std::uint32_t sequence = 0;
    double stamp = 0.0;
  };

  Datagram(Kind kind, const Header& header);

  Datagram& add(Field field, std::uint64_t value);
  Datagram& add(Field field, double value);
  /// Adds text, cut to 65535 bytes. Adds nothing for empty text, because the receiver takes a missing field for
  /// unknown.
  Datagram& add(Field field, std::string_view text);
  /// Adds an array of counts, of which `value_at(i)` is one. Counts beyond the range of an i32 become its maximum.
  template <class ValueAt>
  Datagram& add_counts(Field field, std::size_t size, ValueAt&& value_at) {
    begin_array(field, kCounts, size);
    for (std::size_t i = 0; i < size; ++i) put_count(value_at(i));
    return *this;
  }
  /// Adds an array of doubles, of which `value_at(i)` is one.
  template <class ValueAt>
  Datagram& add_numbers(Field field, std::size_t size, ValueAt&& value_at) {
    begin_array(field, kNumbers, size);
    for (std::size_t i = 0; i < size; ++i) put_double(value_at(i));
    return *this;
  }

  [[nodiscard]] std::string_view bytes() const noexcept { return bytes_; }

 private:
  static constexpr std::uint8_t kUnsigned = 1;
  static constexpr std::uint8_t kDouble = 2;
  static constexpr std::uint8_t kText = 4;
  static constexpr std::uint8_t kCounts = 5;
  static constexpr std::uint8_t kNumbers = 6;

  template <class Integer>
  void put(Integer value);
  void put_count(std::uint64_t count);
  void put_double(double value);
  void begin(Field field, std::uint8_t type);
  void begin_array(Field field, std::uint8_t type, std::size_t size);

  std::string bytes_;
};

}  // namespace sluice::telemetry
