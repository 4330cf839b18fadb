// SPDX-License-Identifier: Apache-2.0
// Quantiles of a window, as exactly as its buckets allow.
#pragma once

#include <cstdint>
#include <optional>

#include "sluice/phase.hpp"
#include "sluice/view.hpp"
#include "sluice/window.hpp"

namespace sluice {

/// \addtogroup read
/// @{

/// An interval of durations in whole microseconds, both ends included.
struct QuantileBounds {
  std::uint64_t lower_us;  ///< Least value that the quantile can have.
  std::uint64_t upper_us;  ///< Greatest value that the quantile can have.
};

/// Returns bounds of the `q`-quantile: of the shortest recorded duration that at least q of all requests do not exceed.
/// The recorded duration lies between the bounds for certain. They are one entry of the view apart at most, and equal
/// if the quantile is the shortest or the longest request, because those are known exactly. If the rounding of q times
/// the number of requests leaves open which of two requests is meant, the bounds include both. \return Nothing for a
/// window without requests, a phase that the mode does not have, and a q outside [0, 1].
[[nodiscard]] std::optional<QuantileBounds> quantile(const Window& window, Phase phase, double q,
                                                     const View& view = views::kAll) noexcept;

/// @}

}  // namespace sluice
