// SPDX-License-Identifier: Apache-2.0
#include "sluice/clock.hpp"

#include <cstddef>
#include <ctime>
#include <new>

#include "sluice/units.hpp"

namespace sluice::inline v0_1 {
namespace {

std::int64_t read(clockid_t id) noexcept {
  timespec now{};
  ::clock_gettime(id, &now);  // cannot fail for these clocks
  return now.tv_sec * static_cast<std::int64_t>(kNsPerSecond) + now.tv_nsec;
}

class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t monotonic_ns() const noexcept override { return sluice::monotonic_ns(); }
  [[nodiscard]] std::int64_t wall_ns() const noexcept override { return read(CLOCK_REALTIME); }
};

}  // namespace

std::uint64_t monotonic_ns() noexcept { return static_cast<std::uint64_t>(read(CLOCK_MONOTONIC)); }

std::uint64_t thread_cpu_ns() noexcept { return static_cast<std::uint64_t>(read(CLOCK_THREAD_CPUTIME_ID)); }

const Clock& system_clock() noexcept {
  // Never destroyed: readers may outlive static destruction.
  alignas(SystemClock) static std::byte storage[sizeof(SystemClock)];
  static const SystemClock* const clock = new (storage) SystemClock;
  return *clock;
}

}  // namespace sluice
