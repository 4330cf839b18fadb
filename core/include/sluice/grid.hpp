// The bucket boundaries of every histogram: 16 octaves from 1 ms to 65536 ms, each split into four equal parts, and one
// bucket for what is longer. What is shorter than 1 ms falls in the first. Intervals are [lower, upper): a duration on
// a boundary belongs to the upper one. All arithmetic is on integers.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice {

struct Grid {
  static constexpr std::size_t kBuckets = 65;
  static constexpr std::uint32_t kQuarters = 4;
  /// A quarter of the first octave. Every boundary is a multiple of it.
  static constexpr std::uint32_t kQuarterUs = 250;
  static constexpr std::uint64_t kShortestUs = kQuarterUs * kQuarters;
  static constexpr std::uint64_t kLongestUs = kShortestUs << ((kBuckets - 1) / kQuarters);

  /// The bucket of a duration. Wait-free, without a branch: what lies beyond either end is moved to it.
  static constexpr std::size_t bucket_of(std::uint64_t us) noexcept {
    const auto within = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(us, kShortestUs, kLongestUs));
    const std::uint32_t quarters = within / kQuarterUs;
    const auto octave = static_cast<std::uint32_t>(std::bit_width(quarters)) - 3;
    return kQuarters * octave + (quarters >> octave) - kQuarters;
  }

  /// The smallest duration of a bucket; 0 for the first, which also takes everything below 1 ms.
  static constexpr std::uint64_t lower_bound_us(std::size_t bucket) noexcept {
    if (bucket == 0) return 0;
    return (std::uint64_t{kQuarterUs} << (bucket / kQuarters)) * (kQuarters + bucket % kQuarters);
  }
};

static_assert(Grid::bucket_of(999) == 0 && Grid::bucket_of(1249) == 0 && Grid::bucket_of(1250) == 1);
static_assert(Grid::bucket_of(65'535'999) == 63 && Grid::bucket_of(65'536'000) == 64);
static_assert(Grid::lower_bound_us(64) == 65'536'000);

}  // namespace sluice
