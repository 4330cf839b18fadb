// SPDX-License-Identifier: Apache-2.0
// The wall-clock times that windows report: monotonic time plus an offset that changes only when the wall clock is
// stepped. So windows are adjacent, and their lengths are elapsed time whatever the wall clock does.
#pragma once

#include <cstdint>

#include "sluice/clock.hpp"

namespace sluice::inline v0_1 {

/// Returns the nearest number of seconds, for times since the Unix epoch.
[[nodiscard]] double epoch_seconds(std::int64_t ns) noexcept;

/// A source of instants on both clocks. Not thread-safe.
class Timeline {
 public:
  /// One instant.
  struct Instant {
    std::uint64_t monotonic_ns;
    double wall;   ///< Seconds since the Unix epoch.
    bool stepped;  ///< The wall clock was stepped since the previous instant.
  };

  explicit Timeline(const Clock& clock) noexcept;

  /// Returns the present instant.
  [[nodiscard]] Instant now() noexcept;

 private:
  const Clock* clock_;
  std::int64_t offset_ns_ = 0;
};

}  // namespace sluice
