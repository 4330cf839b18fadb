// SPDX-License-Identifier: Apache-2.0
// The bucket boundaries of every histogram. One recording serves every view (view.hpp), because the layout contains the
// bounds of all of them:
//
//   octaves below 1 ms    1/128 ms, 1/64 ms, ..., 1/2 ms, 1 ms
//   quarters of octaves   1.25 ms, 1.5 ms, 1.75 ms, 2 ms, 2.5 ms, ..., 65536 ms
//   OpenTelemetry         5 ms, 10 ms, 25 ms, ..., 10 s, as advised for http.server.request.duration
//
// Buckets are [lower, upper) over whole microseconds: a duration on a bound belongs to the upper bucket. The bounds of
// OpenTelemetry are inclusive, so a duration on one of them belongs to the lower bucket; the layout has these bounds
// one microsecond higher.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "sluice/detail/simd.hpp"

namespace sluice {

/// Bounds of buckets in microseconds, each the smallest duration of a bucket.
namespace bounds {

/// \addtogroup read
/// @{

inline constexpr std::size_t kQuartersOfOctave = 4;  ///< Bounds in an octave of kQuarterOctaves.

/// Octaves from 1/128 ms to 1 ms, rounded up to whole microseconds because durations are whole.
inline constexpr auto kUpToMillisecond = [] {
  std::array<std::uint64_t, 8> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = (1000 + (128U >> i) - 1) / (128U >> i);
  return bounds;
}();

/// Quarters of octaves from 1.25 ms to 65536 ms.
inline constexpr auto kQuarterOctaves = [] {
  std::array<std::uint64_t, 16 * kQuartersOfOctave> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const std::size_t quarters = i + 1;
    bounds[i] = (std::uint64_t{250} << quarters / kQuartersOfOctave) * (4 + quarters % kQuartersOfOctave);
  }
  return bounds;
}();

/// Bounds that the semantic conventions of OpenTelemetry advise for http.server.request.duration, each plus 1 us.
inline constexpr auto kOtelHttpBounds = [] {
  std::array<std::uint64_t, 14> bounds{5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};
  for (std::uint64_t& bound : bounds) bound = bound * 1000 + 1;
  return bounds;
}();

/// The bounds of the three lists above, ascending.
inline constexpr auto kAll = [] {
  std::array<std::uint64_t, kUpToMillisecond.size() + kQuarterOctaves.size() + kOtelHttpBounds.size()> bounds{};
  auto end = std::copy(kUpToMillisecond.begin(), kUpToMillisecond.end(), bounds.begin());
  end = std::copy(kQuarterOctaves.begin(), kQuarterOctaves.end(), end);
  std::copy(kOtelHttpBounds.begin(), kOtelHttpBounds.end(), end);
  std::sort(bounds.begin(), bounds.end());
  return bounds;
}();

static_assert(std::adjacent_find(kAll.begin(), kAll.end()) == kAll.end());

/// @}

}  // namespace bounds

namespace detail {

// The bucket of a duration is found by a table of cells. A cell is a quarter of an octave of us + 1, scaled by 128/125
// so that 1 ms is 1024. As a floating-point number, the scaled value has the number of its cell in the bits from the
// second bit of the mantissa up. So no instruction that counts leading zeros is needed, which is slow in programs for
// any x86-64, and two durations are converted at once.
//
// One is added because 0 has no exponent. The scale is a billionth too small, so that the duration before a bound, plus
// one, stays in the cell before; the bound itself is far enough above.
inline constexpr double kScale = 128.0 / 125 * (1 - 1e-9);
inline constexpr unsigned kCellShift = std::numeric_limits<double>::digits - 1 - 2;

static_assert(std::numeric_limits<double>::is_iec559 && sizeof(double) == sizeof(std::uint64_t));

/// The first duration that the vector functions cannot convert.
inline constexpr std::uint64_t kFindableUs = std::uint64_t{1} << 32;

/// A double of this size has the unit in the lowest bit of its mantissa, so a whole number can be put there.
inline constexpr double kWhole = static_cast<double>(std::uint64_t{1} << 52);

/// Returns the number of the cell of a duration below kFindableUs. Neighbouring cells have neighbouring numbers.
/// Correct under -ffast-math as well, because reassociation of the two additions is turned off.
constexpr std::uint64_t cell_number(std::uint64_t us) noexcept {
#if defined(__clang__)
#pragma clang fp reassociate(off)
#endif
  const auto whole = std::bit_cast<double>(std::bit_cast<std::uint64_t>(kWhole) | us);
  return std::bit_cast<std::uint64_t>((whole - (kWhole - 1)) * kScale) >> kCellShift;
}

/// Does the same for two durations.
[[gnu::always_inline]] inline U64x2 cell_numbers(U64x2 us) noexcept {
#if defined(__clang__)
#pragma clang fp reassociate(off)
#endif
  using TwoDoubles = double __attribute__((vector_size(16)));
  const auto whole = std::bit_cast<TwoDoubles>(std::bit_cast<std::uint64_t>(kWhole) | us);
  return std::bit_cast<U64x2>((whole - (kWhole - 1)) * kScale) >> kCellShift;
}

inline constexpr std::uint64_t kFirstCell = cell_number(0);
inline constexpr std::size_t kCells = cell_number(kFindableUs - 1) - kFirstCell + 1;

static_assert(kFirstCell + kCells <= std::size_t{1} << 16);

/// The number that each cell adds to a duration: the number of its first bucket in the upper 32 bits, and in the lower
/// 32 bits a number that carries into them if the duration reaches the one bound that may lie inside the cell.
template <const auto& kBounds>
inline constexpr auto kCellWords = [] {
  const auto shortest_of = [](std::uint64_t number) {
    const double scaled = std::bit_cast<double>(number << kCellShift) / kScale;
    auto us = static_cast<std::uint64_t>(std::max(scaled, 2.0)) - 2;
    while (us < kFindableUs && cell_number(us) < number) ++us;
    return us;
  };
  std::array<std::uint64_t, kCells> words{};
  for (std::size_t cell = 0; cell < words.size(); ++cell) {
    const auto* const next = std::upper_bound(kBounds.begin(), kBounds.end(), shortest_of(kFirstCell + cell));
    words[cell] = static_cast<std::uint64_t>(next - kBounds.begin()) << 32;
    if (next != kBounds.end() && *next < shortest_of(kFirstCell + cell + 1)) {
      words[cell] += (std::uint64_t{1} << 32) - *next;
    }
  }
  return words;
}();

}  // namespace detail

/// \addtogroup read
/// @{

/// The buckets between sorted bounds, of which no two lie in one cell (a quarter of an octave).
template <const auto& kBounds>
struct BucketLayoutOf {
  static constexpr std::size_t kBuckets = kBounds.size() + 1;  ///< Number of buckets.
  static constexpr std::uint64_t kLongestUs = kBounds.back();  ///< Lower bound of the last bucket.
  static_assert(kLongestUs < detail::kFindableUs && kBuckets <= std::size_t{1} << 16);

  /// Returns the bucket of a duration. Wait-free and without a branch, because durations beyond the last bound are
  /// reduced to it.
  static constexpr std::size_t bucket_of(std::uint64_t us) noexcept {
    const std::uint64_t within = std::min(us, kLongestUs);
    return (detail::kCellWords<kBounds>[detail::cell_number(within) - detail::kFirstCell] + within) >> 32;
  }

  /// Returns the buckets of two durations, both below detail::kFindableUs, each in the upper half of its element.
  [[gnu::always_inline]] static detail::U64x2 buckets_of(detail::U64x2 us) noexcept {
    const detail::U64x2 numbers = detail::cell_numbers(us);
    return us + detail::U64x2{detail::kCellWords<kBounds>[detail::extract16<0>(numbers) - detail::kFirstCell],
                              detail::kCellWords<kBounds>[detail::extract16<1>(numbers) - detail::kFirstCell]};
  }

  /// Returns the smallest duration of a bucket; 0 for the first.
  static constexpr std::uint64_t lower_bound_us(std::size_t bucket) noexcept {
    return bucket == 0 ? 0 : kBounds[bucket - 1];
  }

  /// Returns true if every bucket begins at its bound.
  static constexpr bool is_sound() noexcept {
    for (std::size_t bucket = 1; bucket < kBuckets; ++bucket) {
      const std::uint64_t bound = lower_bound_us(bucket);
      if (bucket_of(bound) != bucket || bucket_of(bound - 1) != bucket - 1) return false;
    }
    return bucket_of(0) == 0 && bucket_of(UINT64_MAX) == kBuckets - 1;
  }
};

/// The bucket layout of all histograms of this library: 87 buckets.
using BucketLayout = BucketLayoutOf<bounds::kAll>;

static_assert(BucketLayout::is_sound());

/// @}

}  // namespace sluice
