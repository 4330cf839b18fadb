// The wall-clock times that windows report, made of monotonic time plus an offset that changes only when somebody steps
// the wall clock. So windows meet exactly, and their lengths are elapsed time whatever the wall clock does.
#pragma once

#include <cstdint>

#include "sluice/clock.hpp"

namespace sluice {

class Timeline {
 public:
  struct Instant {
    std::uint64_t monotonic_ns;
    double wall;   ///< Seconds since the Unix epoch.
    bool stepped;  ///< The wall clock was stepped since the previous instant.
  };

  explicit Timeline(const Clock& clock) noexcept;

  [[nodiscard]] Instant now() noexcept;

 private:
  const Clock* clock_;
  std::int64_t offset_ns_ = 0;
};

}  // namespace sluice
