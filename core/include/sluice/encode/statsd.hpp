// StatsD and DogStatsD packets of one window. Counters are what was counted in the window, so each window is sent once.
//
// A histogram is sent as a sampled distribution: the middle of each bucket, in milliseconds, as often as it holds
// requests, by sample rates that are powers of two, so that the receiver's number of requests is exact and a million
// requests are some twenty samples a bucket at most. The shortest and the longest are sent as they are. From 1 ms
// to 65536 ms a sample is off by at most an eighth of the duration, from 8 us to 1 ms by at most a half.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "sluice/encode/encode.hpp"

namespace sluice::encode {

enum class StatsdDialect : std::uint8_t {
  kStatsd,     ///< No tags: what tells metrics apart is part of their names. Durations are timers (`ms`).
  kDogStatsd,  ///< Tags, and several values a line (protocol 1.1). Durations are distributions (`d`).
};

/// What an unfragmented datagram takes on Ethernet.
inline constexpr std::size_t kStatsdPacketBytes = 1432;

struct StatsdOptions {
  StatsdDialect dialect = StatsdDialect::kStatsd;
  std::string_view prefix = "http.server";
  Labels tags = {};  ///< DogStatsD only.
  PhaseSet phases = PhaseSet::all();
};

struct StatsdSent {
  std::size_t packets = 0;
  std::size_t lines_left_out = 0;  ///< Longer than a whole packet, as with very long tags.
};

/// Calls `send` with one packet after the other, each made in `packet`, of whose bytes no more than kStatsdPacketBytes
/// are used. Any thread. Allocates nothing.
StatsdSent statsd(const Source& source, const StatsdOptions& options, std::span<char> packet,
                  absl::FunctionRef<void(std::string_view)> send);

}  // namespace sluice::encode
