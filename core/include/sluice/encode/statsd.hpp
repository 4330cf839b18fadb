// SPDX-License-Identifier: Apache-2.0
// StatsD and DogStatsD packets of one window. Counters hold what was counted in the window, so each window is sent
// once. Readings of several processes are sums since the beginning; what is sent of them are their differences, see
// ServerReading::since().
//
// A histogram is sent as a sampled distribution: the middle of each bucket in milliseconds, as often as the bucket has
// requests. Sample rates are powers of two, so that the receiver's number of requests is exact and a million requests
// are about twenty samples a bucket at most. The shortest and the longest request are sent as they are. Other samples
// differ from the duration by at most half the width of its bucket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "sluice/encode/encode.hpp"

namespace sluice::inline v0_1::encode {

/// \addtogroup encode_api
/// @{

/// A dialect of the protocol.
enum class StatsdDialect : std::uint8_t {
  /// No tags: names tell metrics apart. A label of a series, or of a gauge, is two parts of the name, as in
  /// `server.requests.route.-2Fusers.2xx`. In values, bytes other than letters, digits and underscores are written as
  /// `-` and two hexadecimal digits, so that different labels never make one name. Durations are timers (`ms`).
  kStatsd,
  kDogStatsd,  ///< Tags, and several values a line (protocol 1.1). Durations are distributions (`d`).
};

/// Payload of the largest datagram that Ethernet does not fragment.
inline constexpr std::size_t kStatsdPacketBytes = 1432;

/// Settings of statsd().
struct StatsdOptions {
  StatsdDialect dialect = StatsdDialect::kStatsd;  ///< Dialect of the receiver.
  std::optional<std::string_view> prefix{};        ///< Prefix of all names; none: the schema's.
  Labels tags = {};                                ///< Tags of every line; DogStatsD only.
  FieldSet fields = FieldSet::all();               ///< Fields that are sent.
};

/// The result of statsd().
struct StatsdSent {
  std::size_t packets = 0;  ///< Number of packets.
  std::size_t lines_left_out =
      0;  ///< Number of lines left out because they were longer than a packet, as with very long tags.
};

namespace detail {
/// The function that takes the packets. Not owned.
struct PacketSender {
  void* called;
  void (*call)(void* called, std::string_view packet);
};
StatsdSent statsd(const Source& source, const StatsdOptions& options, std::span<char> packet, PacketSender send);
}  // namespace detail

/// Calls `send` with one packet after the other. Each is written to `packet`, of which at most kStatsdPacketBytes are
/// used. Any thread; allocates nothing; throws what `send` throws.
template <class Send>
StatsdSent statsd(const Source& source, const StatsdOptions& options, std::span<char> packet, Send&& send) {
  auto sender = [&send](std::string_view text) { send(text); };
  return detail::statsd(source, options, packet, {.called = &sender, .call = [](void* called, std::string_view text) {
                                                    (*static_cast<decltype(sender)*>(called))(text);
                                                  }});
}

/// @}

}  // namespace sluice::encode
