// SPDX-License-Identifier: Apache-2.0
// The two clocks that metrics need: a monotonic one for every duration, a wall clock for what is reported as a date.
#pragma once

#include <cstdint>

namespace sluice::inline v0_1 {

/// \addtogroup record_api
/// @{

/// A source of time. Both readings are nanoseconds. Implementations are thread-safe and never fail.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  /// Returns nanoseconds since a fixed instant in the past. Never goes back, is the same for all processes of a host,
  /// and is greater than 0.
  [[nodiscard]] virtual std::uint64_t monotonic_ns() const noexcept = 0;

  /// Returns nanoseconds since the Unix epoch. The clock may be stepped either way at any time.
  [[nodiscard]] virtual std::int64_t wall_ns() const noexcept = 0;
};

/// Returns the nanoseconds of CLOCK_MONOTONIC. Any thread; no system call where the kernel has a vDSO.
[[nodiscard]] std::uint64_t monotonic_ns() noexcept;

/// Returns the CPU time of the calling thread in nanoseconds (CLOCK_THREAD_CPUTIME_ID). One system call, which takes
/// about eight times as long as monotonic_ns().
[[nodiscard]] std::uint64_t thread_cpu_ns() noexcept;

/// Returns the clock of CLOCK_MONOTONIC and CLOCK_REALTIME. It is never destroyed, so it may be used during and after
/// static destruction.
[[nodiscard]] const Clock& system_clock() noexcept;

/// @}

}  // namespace sluice
