// SPDX-License-Identifier: Apache-2.0
// Quantiles of a histogram, as exactly as its buckets allow.
#pragma once

#include <cstdint>
#include <optional>

#include "sluice/buckets.hpp"
#include "sluice/counts.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup read_api
/// @{

/// An interval of values in the unit of the histogram, both ends included.
struct QuantileBounds {
  std::uint64_t lower;  ///< Least value that the quantile can have.
  std::uint64_t upper;  ///< Greatest value that the quantile can have.
};

/// Returns bounds of the `q`-quantile: of the least recorded value that at least q of all requests do not exceed. The
/// recorded value lies between the bounds for certain. They are one bucket apart at most, and equal if the quantile is
/// the least or the greatest value and these are known, as they are in a window. If the rounding of q times the number
/// of requests leaves open which of two requests is meant, the bounds include both. \return Nothing for a histogram
/// without requests, and a q outside [0, 1].
[[nodiscard]] std::optional<QuantileBounds> quantile(const HistogramView& histogram, double q) noexcept;

/// Does the same with the entries of a view of the histogram's layout instead of its buckets.
[[nodiscard]] std::optional<QuantileBounds> quantile(const HistogramView& histogram, double q,
                                                     const View& view) noexcept;

/// @}

}  // namespace sluice
