// The coarse grid: the entries of views::kQuarters and no others, found without a table. A slot may be laid out by it
// instead of the recorder's grid, which tells what the finer one costs.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sluice/view.hpp"

namespace sluice::bench {

struct CoarseGrid {
  static constexpr std::size_t kBuckets = views::kQuarters.size();
  static constexpr std::uint64_t kQuarterUs = 250;  ///< Of the first octave.
  static constexpr std::uint64_t kShortestUs = 4 * kQuarterUs;
  static constexpr std::uint64_t kLongestUs = Grid::kLongestUs;

  static constexpr std::size_t bucket_of(std::uint64_t us) noexcept {
    const auto within = static_cast<std::uint32_t>(std::clamp(us, kShortestUs, kLongestUs));
    const auto quarters = static_cast<std::uint32_t>(within / kQuarterUs);
    const auto octave = static_cast<std::uint32_t>(std::bit_width(quarters)) - 3;
    return 4 * octave + (quarters >> octave) - 4;
  }
};

}  // namespace sluice::bench
