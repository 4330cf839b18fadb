// SPDX-License-Identifier: Apache-2.0
// Times as getrusage() gives them.
#pragma once

#include <sys/time.h>

#include <cstdint>

#include "sluice/units.hpp"

namespace sluice::inline v0_1::os {

/// Returns the time in microseconds.
[[nodiscard]] inline std::uint64_t microseconds_of(const timeval& time) noexcept {
  return static_cast<std::uint64_t>(time.tv_sec) * kUsPerSecond + static_cast<std::uint64_t>(time.tv_usec);
}

}  // namespace sluice::os
