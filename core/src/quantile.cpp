// SPDX-License-Identifier: Apache-2.0
#include "sluice/quantile.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sluice::inline v0_1 {
namespace {

/// The interval that contains all values.
struct Extremes {
  QuantileBounds all;
  bool exact;  ///< True if both ends are values of requests.
};

/// Returns the extremes of a histogram. Where they are those of single observations or not known, the value of one
/// request is only known to be no more than the sum of all.
Extremes extremes_of(const HistogramView& values) noexcept {
  if (!values.has_extremes()) return {{0, values.total}, false};
  return {{values.smallest, values.largest}, true};
}

/// Returns the bounds of the request that is `rank`-th by value, from 1: those of its entry, within the extremes.
QuantileBounds bounds_of(const HistogramView& values, const View& view, const Extremes& extremes,
                         std::uint64_t rank) noexcept {
  std::size_t entry = 0;
  std::uint64_t up_to = view.count(values.buckets, 0);
  // The second condition is always true; it shows the compiler that the loop ends.
  while (up_to < rank && entry + 1 < view.size()) up_to += view.count(values.buckets, ++entry);
  const bool last = entry + 1 == view.size();
  const std::uint64_t upper = last ? extremes.all.upper : view.lower_bound(entry + 1) - 1;
  return {std::max(view.lower_bound(entry), extremes.all.lower), std::min(upper, extremes.all.upper)};
}

}  // namespace

std::optional<QuantileBounds> quantile(const HistogramView& histogram, double q) noexcept {
  if (histogram.buckets.empty()) return std::nullopt;
  return quantile(histogram, q, histogram.field->buckets->all);
}

std::optional<QuantileBounds> quantile(const HistogramView& histogram, double q, const View& view) noexcept {
  if (!(q >= 0.0 && q <= 1.0)) return std::nullopt;
  const std::uint64_t count = histogram.count();
  if (count == 0) return std::nullopt;
  const Extremes extremes = extremes_of(histogram);
  const auto bounds = [&](double real_rank) {
    // The nearest double to a count may be 2^64, which does not fit into an integer.
    const bool last = real_rank >= static_cast<double>(count);
    const auto rank = last ? count : std::max<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(real_rank)), 1);
    if (extremes.exact && rank == 1) return QuantileBounds{extremes.all.lower, extremes.all.lower};
    if (extremes.exact && rank == count) return QuantileBounds{extremes.all.upper, extremes.all.upper};
    return bounds_of(histogram, view, extremes, rank);
  };
  const double rank = q * static_cast<double>(count);
  const double least = rank * (1.0 - 2.0 * std::numeric_limits<double>::epsilon());
  return QuantileBounds{bounds(least).lower, bounds(rank).upper};
}

}  // namespace sluice
