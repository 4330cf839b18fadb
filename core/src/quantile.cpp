// SPDX-License-Identifier: Apache-2.0
#include "sluice/quantile.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace sluice {
namespace {

/// The interval that contains all durations.
struct Extremes {
  QuantileBounds us;
  bool exact;  ///< True if both ends are durations of requests.
};

/// Returns the extremes of a phase. The extremes of waits are those of single waits, so the sum of one request is only
/// known to be no more than the sum of all.
Extremes extremes_of(const PhaseWindow& durations, Phase phase) noexcept {
  if (phase == Phase::kGilWait || !durations.observed()) return {{0, durations.total_us}, false};
  return {{durations.smallest_us, durations.largest_us}, true};
}

/// Returns the bounds of the request that is `rank`-th by duration, from 1: those of its entry, within the extremes.
QuantileBounds bounds_of(const PhaseWindow& durations, const View& view, const Extremes& all,
                         std::uint64_t rank) noexcept {
  std::size_t entry = 0;
  std::uint64_t up_to = view.count(durations.buckets, 0);
  // The second condition is always true; it shows the compiler that the loop ends.
  while (up_to < rank && entry + 1 < view.size()) up_to += view.count(durations.buckets, ++entry);
  const bool last = entry + 1 == view.size();
  const std::uint64_t upper = last ? all.us.upper_us : view.lower_bound_us(entry + 1) - 1;
  return {std::max(view.lower_bound_us(entry), all.us.lower_us), std::min(upper, all.us.upper_us)};
}

}  // namespace

std::optional<QuantileBounds> quantile(const Window& window, Phase phase, double q, const View& view) noexcept {
  if (!(q >= 0.0 && q <= 1.0) || index(phase) >= phases_of(window.mode)) return std::nullopt;
  const PhaseWindow& durations = window[phase];
  const std::uint64_t count = std::accumulate(durations.buckets.begin(), durations.buckets.end(), std::uint64_t{0});
  if (count == 0) return std::nullopt;
  const Extremes all = extremes_of(durations, phase);
  const auto bounds = [&](double real_rank) {
    // The nearest double to a count may be 2^64, which does not fit into an integer.
    const bool last = real_rank >= static_cast<double>(count);
    const auto rank = last ? count : std::max<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(real_rank)), 1);
    if (all.exact && rank == 1) return QuantileBounds{all.us.lower_us, all.us.lower_us};
    if (all.exact && rank == count) return QuantileBounds{all.us.upper_us, all.us.upper_us};
    return bounds_of(durations, view, all, rank);
  };
  const double rank = q * static_cast<double>(count);
  const double least = rank * (1.0 - 2.0 * std::numeric_limits<double>::epsilon());
  return QuantileBounds{bounds(least).lower_us, bounds(rank).upper_us};
}

}  // namespace sluice
