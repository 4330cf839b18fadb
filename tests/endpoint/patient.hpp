// SPDX-License-Identifier: Apache-2.0
// A schedule for tests that tell a pusher what to do, and when.
#pragma once

#include <chrono>

#include "sluice/push.hpp"

namespace sluice::test {

inline constexpr auto kLong = std::chrono::hours(1);  ///< For what a test must not wait for.

/// Returns a schedule in which nothing happens by itself.
inline PushSchedule patient() {
  return {.interval = kLong,
          .timeout = kLong,
          .first_pause = kLong,
          .longest_pause = kLong,
          .flush = std::chrono::milliseconds(0)};
}

}  // namespace sluice::test
