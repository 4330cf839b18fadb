// SPDX-License-Identifier: Apache-2.0
// A clock that moves only when it is told to, for tests of code that uses a recorder.
#pragma once

#include <atomic>
#include <cstdint>

#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup record_api
/// @{

/// A clock for tests. Begins a thousand seconds after an imagined start of the machine, in November 2023. Thread-safe.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t monotonic_ns() const noexcept override {
    return kMonotonicStartNs + elapsed_ns_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::int64_t wall_ns() const noexcept override {
    const std::uint64_t elapsed_ns = elapsed_ns_.load(std::memory_order_relaxed);
    return kWallStartNs + static_cast<std::int64_t>(elapsed_ns) + wall_step_ns_.load(std::memory_order_relaxed);
  }

  /// Moves both clocks on. Returns false and moves nothing if the wall clock would leave its range. Lock-free.
  bool advance_ns(std::uint64_t ns) noexcept {
    std::uint64_t elapsed_ns = elapsed_ns_.load(std::memory_order_relaxed);  // checked by the exchange
    do {
      if (ns > kLongestNs - elapsed_ns) return false;
    } while (!elapsed_ns_.compare_exchange_weak(elapsed_ns, elapsed_ns + ns, std::memory_order_relaxed));
    return true;
  }

  /// Moves both clocks on, as advance_ns() does.
  bool advance_us(std::uint64_t us) noexcept { return us <= UINT64_MAX / kNsPerUs && advance_ns(us * kNsPerUs); }

  /// Sets the wall clock forward or back. Monotonic time does not change. The sum must stay in range.
  void step_wall_ns(std::int64_t ns) noexcept { wall_step_ns_.fetch_add(ns, std::memory_order_relaxed); }

 private:
  static constexpr std::uint64_t kMonotonicStartNs = 1'000 * kNsPerSecond;
  static constexpr std::int64_t kWallStartNs = 1'700'000'000'000'000'000;
  static constexpr auto kLongestNs = static_cast<std::uint64_t>(INT64_MAX - kWallStartNs);

  std::atomic<std::uint64_t> elapsed_ns_{0};
  std::atomic<std::int64_t> wall_step_ns_{0};
};

/// @}

}  // namespace sluice
