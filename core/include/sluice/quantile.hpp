// Quantiles of a window, as far as its buckets tell them.
#pragma once

#include <cstdint>
#include <optional>

#include "sluice/phase.hpp"
#include "sluice/view.hpp"
#include "sluice/window.hpp"

namespace sluice {

/// Whole microseconds, both ends included.
struct QuantileBounds {
  std::uint64_t lower_us;
  std::uint64_t upper_us;
};

/// Bounds of the `q`-quantile: of the shortest recorded duration that at least q of all requests do not exceed. What
/// was recorded lies between them for certain; they are an entry of the view apart at most, and equal where the
/// quantile is the shortest or the longest request, which are known exactly. Where the rounding of q times the number
/// of requests leaves open which of two requests is meant, the bounds hold both. Nothing without requests, for a phase
/// that the mode does not have, and for a q that is not from 0 to 1.
[[nodiscard]] std::optional<QuantileBounds> quantile(const Window& window, Phase phase, double q,
                                                     const View& view = views::kAll) noexcept;

}  // namespace sluice
