// A clock that only the test moves.
#pragma once

#include <atomic>
#include <cstdint>

#include "sluice/clock.hpp"

namespace sluice::test {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t monotonic_ns() const noexcept override { return monotonic_ns_.load(); }
  [[nodiscard]] std::int64_t wall_ns() const noexcept override { return wall_ns_.load(); }

  /// Moves both clocks on.
  void advance_ns(std::uint64_t ns) noexcept {
    monotonic_ns_ += ns;
    wall_ns_ += static_cast<std::int64_t>(ns);
  }
  void advance_us(std::uint64_t us) noexcept { advance_ns(us * 1000); }

  /// Sets the wall clock forward or back; monotonic time does not notice.
  void step_wall_ns(std::int64_t ns) noexcept { wall_ns_ += ns; }

 private:
  std::atomic<std::uint64_t> monotonic_ns_{1'000'000'000};
  std::atomic<std::int64_t> wall_ns_{1'700'000'000'000'000'000};
};

}  // namespace sluice::test
