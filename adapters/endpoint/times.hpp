// SPDX-License-Identifier: Apache-2.0
// The times of options and calls.
#pragma once

#include <chrono>

namespace sluice::inline v0_1::endpoint {

/// Bound of each time, so that an instant plus a time cannot overflow.
inline constexpr std::chrono::milliseconds kLongest = std::chrono::hours(24 * 365);

/// Returns true if an option may have the time.
constexpr bool usable(std::chrono::milliseconds time) noexcept {
  return time > std::chrono::milliseconds::zero() && time <= kLongest;
}

}  // namespace sluice::endpoint
