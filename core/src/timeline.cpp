// SPDX-License-Identifier: Apache-2.0
#include "timeline.hpp"

#include <cstdlib>

#include "sluice/units.hpp"

namespace sluice::inline v0_1 {
namespace {

/// A change of the offset between the clocks that means the wall clock was stepped.
constexpr std::int64_t kStepNs = 1'000'000;
/// A pair of readings that took longer was interrupted, and is repeated.
constexpr std::uint64_t kPairNs = 100'000;
constexpr int kTries = 4;
constexpr std::int64_t kSecondNs = static_cast<std::int64_t>(kNsPerSecond);

struct Pair {
  std::uint64_t monotonic_ns;
  std::int64_t offset_ns;
};

Pair read_pair(const Clock& clock) noexcept {
  Pair pair{};
  for (int i = 0; i < kTries; ++i) {
    pair.monotonic_ns = clock.monotonic_ns();
    pair.offset_ns = clock.wall_ns() - static_cast<std::int64_t>(pair.monotonic_ns);
    if (clock.monotonic_ns() - pair.monotonic_ns <= kPairNs) break;
  }
  return pair;
}

}  // namespace

double epoch_seconds(std::int64_t ns) noexcept {
  // Whole seconds are converted separately, because a double cannot hold the nanoseconds.
  const std::int64_t whole = ns / kSecondNs;
  return static_cast<double>(whole) + static_cast<double>(ns - whole * kSecondNs) / 1e9;
}

Timeline::Timeline(const Clock& clock) noexcept : clock_(&clock), offset_ns_(read_pair(clock).offset_ns) {}

Timeline::Instant Timeline::now() noexcept {
  const Pair pair = read_pair(*clock_);
  const bool stepped = std::llabs(pair.offset_ns - offset_ns_) > kStepNs;
  if (stepped) offset_ns_ = pair.offset_ns;
  const std::int64_t wall_ns = static_cast<std::int64_t>(pair.monotonic_ns) + offset_ns_;
  return {pair.monotonic_ns, epoch_seconds(wall_ns), stepped};
}

}  // namespace sluice
