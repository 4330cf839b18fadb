// SPDX-License-Identifier: Apache-2.0
// Conversions between the units of this library: nanoseconds for instants, microseconds, and seconds for what is
// reported.
#pragma once

#include <cstdint>

namespace sluice::inline v0_1 {

/// \addtogroup read_api
/// @{

inline constexpr std::uint64_t kNsPerUs = 1'000;              ///< Nanoseconds in a microsecond.
inline constexpr std::uint64_t kUsPerSecond = 1'000'000;      ///< Microseconds in a second.
inline constexpr std::uint64_t kNsPerSecond = 1'000'000'000;  ///< Nanoseconds in a second.

/// Returns the nearest number of seconds.
[[nodiscard]] constexpr double seconds_of_us(std::uint64_t us) noexcept {
  return static_cast<double>(us) / static_cast<double>(kUsPerSecond);
}

/// Returns the nearest number of seconds.
[[nodiscard]] constexpr double seconds_of_ns(std::uint64_t ns) noexcept {
  return static_cast<double>(ns) / static_cast<double>(kNsPerSecond);
}

/// Returns the whole microseconds from one instant to another, cut off, not rounded; 0 if they are out of order.
[[nodiscard]] constexpr std::uint64_t elapsed_us(std::uint64_t from_ns, std::uint64_t to_ns) noexcept {
  return to_ns > from_ns ? (to_ns - from_ns) / kNsPerUs : 0;
}

/// @}

}  // namespace sluice
