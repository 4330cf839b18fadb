// The two clocks that metrics need: a monotonic one for every duration, a wall clock for what is reported as a date.
#pragma once

#include <cstdint>

namespace sluice {

/// A source of time. Implementations are thread-safe and never fail. Both readings are nanoseconds.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  /// Never goes back; shared by all processes of a host; greater than 0.
  [[nodiscard]] virtual std::uint64_t monotonic_ns() const noexcept = 0;

  /// Nanoseconds since the Unix epoch. May be stepped either way at any time.
  [[nodiscard]] virtual std::int64_t wall_ns() const noexcept = 0;
};

/// CLOCK_MONOTONIC, without a virtual call.
[[nodiscard]] std::uint64_t monotonic_ns() noexcept;

/// CPU time of the calling thread (CLOCK_THREAD_CPUTIME_ID). Eight times as dear as monotonic_ns().
[[nodiscard]] std::uint64_t thread_cpu_ns() noexcept;

/// CLOCK_MONOTONIC and CLOCK_REALTIME. Lives as long as the process.
[[nodiscard]] const Clock& system_clock() noexcept;

}  // namespace sluice
