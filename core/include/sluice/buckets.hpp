// SPDX-License-Identifier: Apache-2.0
// Bucket layouts of histograms: any ascending list of bounds that is known to the compiler.
//
// Buckets are [lower, upper) over whole units: a value on a bound belongs to the upper bucket. Other systems define a
// bound as "at most"; a bound that is one unit above a round number is exactly that for whole values.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "sluice/detail/simd.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup record_api
/// @{

/// The most bounds that a layout can have.
inline constexpr std::size_t kBoundsMost = 255;

/// A coarser layout of a histogram: its bounds are some of those of the recorded layout, so that each entry is a sum of
/// whole buckets and every count is exact. A plain value that refers to constant tables.
class View {
 public:
  /// Makes the view of a layout with the given bounds, from the first bucket of each entry, ascending from 0. Both
  /// tables must outlive the view.
  constexpr View(std::span<const std::uint64_t> bounds, std::span<const std::uint8_t> firsts) noexcept
      : bounds_(bounds), firsts_(firsts) {}

  /// Returns the number of entries, which is one more than the number of bounds.
  [[nodiscard]] constexpr std::size_t size() const noexcept { return firsts_.size(); }

  /// Returns the first bucket of an entry, or the number of buckets for an entry behind the last.
  [[nodiscard]] constexpr std::size_t first(std::size_t entry) const noexcept {
    return entry < firsts_.size() ? firsts_[entry] : bounds_.size() + 1;
  }

  /// Returns the smallest value of an entry in the unit of the histogram; 0 for the first.
  [[nodiscard]] constexpr std::uint64_t lower_bound(std::size_t entry) const noexcept {
    const std::size_t bucket = first(entry);
    return bucket == 0 ? 0 : bounds_[bucket - 1];
  }

  /// Returns the number of values in an entry, which must be less than size(). `buckets` are the counts of the layout.
  [[nodiscard]] constexpr std::uint64_t count(std::span<const std::uint64_t> buckets,
                                              std::size_t entry) const noexcept {
    std::size_t bucket = firsts_[entry];
    std::uint64_t sum = buckets[bucket];  // most entries consist of one bucket
    for (const std::size_t end = first(entry + 1); ++bucket < end;) sum += buckets[bucket];
    return sum;
  }

 private:
  std::span<const std::uint64_t> bounds_;
  std::span<const std::uint8_t> firsts_;
};

/// Names of views that a layout may have. Encoders write a histogram with one of them.
enum class Resolution : std::uint8_t {
  kByFormat,        ///< The layout's choice for the format, see encode/encode.hpp.
  kQuarterOctaves,  ///< Quarters of octaves.
  kOctaves,         ///< Octaves.
  kOtel,            ///< The bounds that the semantic conventions of OpenTelemetry advise for durations of requests.
  kAll,             ///< Every bucket.
};

/// A bucket layout as readers know it. A plain value that refers to constant tables.
struct BucketsInfo {
  std::span<const std::uint64_t> bounds;     ///< Ascending; the smallest value of each bucket but the first.
  std::span<const std::uint64_t> inclusive;  ///< Bounds that are one above a round number.
  View quarter_octaves;                      ///< Resolution::kQuarterOctaves; all buckets if the layout has no such.
  View octaves;                              ///< Resolution::kOctaves; all buckets if the layout has no such.
  View otel;                                 ///< Resolution::kOtel; all buckets if the layout has no such.
  View all;                                  ///< Resolution::kAll.
  std::size_t (*bucket_of)(std::uint64_t) noexcept;  ///< Returns the bucket of a value.

  /// Returns the number of buckets.
  [[nodiscard]] constexpr std::size_t size() const noexcept { return bounds.size() + 1; }
  /// Returns the smallest value of a bucket; 0 for the first.
  [[nodiscard]] constexpr std::uint64_t lower_bound(std::size_t bucket) const noexcept {
    return bucket == 0 ? 0 : bounds[bucket - 1];
  }
  /// Returns a view; kByFormat is that of quarters of octaves.
  [[nodiscard]] constexpr const View& view(Resolution resolution) const noexcept {
    switch (resolution) {
      case Resolution::kOctaves:
        return octaves;
      case Resolution::kOtel:
        return otel;
      case Resolution::kAll:
        return all;
      default:
        return quarter_octaves;
    }
  }
};

/// @}

namespace detail {

// The bucket of a value is found by a table of cells. A cell is a part of an octave of value + 1, scaled so that a
// power of ten is a power of two. As a floating-point number, the scaled value has the number of its cell in its upper
// bits: those of the exponent and the first of the mantissa. So no instruction that counts leading zeros is needed,
// which is slow in programs for any x86-64, and two values are converted at once.
//
// One is added because 0 has no exponent. The scale is a billionth too small, so that the value before a bound, plus
// one, stays in the cell before; the bound itself is far enough above.
inline constexpr double kScale = 128.0 / 125 * (1 - 1e-9);

static_assert(std::numeric_limits<double>::is_iec559 && sizeof(double) == sizeof(std::uint64_t));

/// The first value that the vector functions cannot convert.
inline constexpr std::uint64_t kFindable = std::uint64_t{1} << 48;

/// Bit of a word at which the number of the bucket begins.
inline constexpr unsigned kBucketShift = 48;

/// A double of this size has the unit in the lowest bit of its mantissa, so a whole number can be put there.
inline constexpr double kWhole = static_cast<double>(std::uint64_t{1} << 52);

/// Returns the bits of a value below kFindable as a scaled floating-point number. Correct under -ffast-math as well,
/// because reassociation of the two additions is turned off.
constexpr std::uint64_t scaled(std::uint64_t value) noexcept {
#if defined(__clang__)
#pragma clang fp reassociate(off)
#endif
  const auto whole = std::bit_cast<double>(std::bit_cast<std::uint64_t>(kWhole) | value);
  return std::bit_cast<std::uint64_t>((whole - (kWhole - 1)) * kScale);
}

/// Does the same for two values.
[[gnu::always_inline]] inline U64x2 scaled(U64x2 values) noexcept {
#if defined(__clang__)
#pragma clang fp reassociate(off)
#endif
  using TwoDoubles = double __attribute__((vector_size(16)));
  const auto whole = std::bit_cast<TwoDoubles>(std::bit_cast<std::uint64_t>(kWhole) | values);
  return std::bit_cast<U64x2>((whole - (kWhole - 1)) * kScale);
}

/// The number of bits of the mantissa that number a cell: the fewest with which no cell has two bounds inside. 0: there
/// is no such number up to kCellBitsMost.
inline constexpr unsigned kCellBitsLeast = 2;
inline constexpr unsigned kCellBitsMost = 7;

constexpr unsigned cell_shift(unsigned bits) noexcept { return std::numeric_limits<double>::digits - 1 - bits; }

/// Returns the smallest value of a cell.
constexpr std::uint64_t shortest_in_cell(std::uint64_t number, unsigned bits) noexcept {
  const double unscaled = std::bit_cast<double>(number << cell_shift(bits)) / kScale;
  auto value = static_cast<std::uint64_t>(std::max(unscaled, 2.0)) - 2;
  while (value < kFindable && scaled(value) >> cell_shift(bits) < number) ++value;
  return value;
}

template <const auto& kBounds>
inline constexpr unsigned kCellBits = [] {
  for (unsigned bits = kCellBitsLeast; bits <= kCellBitsMost; ++bits) {
    bool fits = true;
    for (std::size_t i = 1; fits && i < kBounds.size(); ++i) {
      const std::uint64_t cell = scaled(kBounds[i]) >> cell_shift(bits);
      // Two bounds in one cell are found only if the first of them is where the cell begins.
      if (scaled(kBounds[i - 1]) >> cell_shift(bits) == cell) fits = shortest_in_cell(cell, bits) == kBounds[i - 1];
    }
    for (std::size_t i = 2; fits && i < kBounds.size(); ++i) {
      fits = scaled(kBounds[i - 2]) >> cell_shift(bits) != scaled(kBounds[i]) >> cell_shift(bits);
    }
    if (fits) return bits;
  }
  return 0U;
}();

template <const auto& kBounds>
inline constexpr unsigned kCellShift = cell_shift(kCellBits<kBounds>);

template <const auto& kBounds>
inline constexpr std::uint64_t kFirstCell = scaled(0) >> kCellShift<kBounds>;

/// True if two values are found at once: the number of a cell then has at most 16 bits.
template <const auto& kBounds>
inline constexpr bool kPaired = kCellBits<kBounds> != 0 && kCellBits<kBounds> <= 5;

/// The number that each cell adds to a value: the number of its first bucket in the upper bits, and in the lower ones a
/// number that carries into them if the value reaches the one bound that may lie inside the cell.
template <const auto& kBounds>
inline constexpr auto kCellWords = [] {
  constexpr unsigned kBits = kCellBits<kBounds>;
  // Pairs of values are not reduced to the last bound.
  constexpr std::uint64_t kLast = scaled(kPaired<kBounds> ? kFindable - 1 : kBounds.back()) >> kCellShift<kBounds>;
  std::array<std::uint64_t, kLast - kFirstCell<kBounds> + 1> words{};
  const auto* next = kBounds.begin();
  std::uint64_t shortest = 0;
  for (std::size_t cell = 0; cell < words.size(); ++cell) {
    while (next != kBounds.end() && *next <= shortest) ++next;
    words[cell] = static_cast<std::uint64_t>(next - kBounds.begin()) << kBucketShift;
    if (next == kBounds.end()) continue;
    shortest = shortest_in_cell(kFirstCell<kBounds> + cell + 1, kBits);
    if (*next < shortest) words[cell] += (std::uint64_t{1} << kBucketShift) - *next;
  }
  return words;
}();

template <const auto& kBounds, const auto& kSome>
inline constexpr auto kFirstBuckets = [] {
  std::array<std::uint8_t, kSome.size() + 1> firsts{};
  for (std::size_t i = 0; i < kSome.size(); ++i) {
    firsts[i + 1] =
        static_cast<std::uint8_t>(std::upper_bound(kBounds.begin(), kBounds.end(), kSome[i]) - kBounds.begin());
  }
  return firsts;
}();

/// The bounds of a view that a layout does not have.
inline constexpr std::array<std::uint64_t, 0> kNoBounds{};

template <const auto& kBounds, const auto& kSome>
constexpr View view_of() noexcept {
  static_assert(std::includes(kBounds.begin(), kBounds.end(), kSome.begin(), kSome.end()),
                "the bounds of a view must be some of those of its layout");
  if constexpr (kSome.size() == 0) {
    return {kBounds, kFirstBuckets<kBounds, kBounds>};
  } else {
    return {kBounds, kFirstBuckets<kBounds, kSome>};
  }
}

}  // namespace detail

/// \addtogroup record_api
/// @{

/// The views of a layout, as arrays of bounds with static storage duration. An empty array: the layout has no such
/// view.
template <const auto& kQuarterOctaves = detail::kNoBounds, const auto& kOctaves = detail::kNoBounds,
          const auto& kOtel = detail::kNoBounds, const auto& kInclusive = detail::kNoBounds>
struct Views {};

/// A layout of up to 255 ascending bounds, given as an array with static storage duration:
///
///     inline constexpr std::array<std::uint64_t, 3> kSizes{1024, 65536, 1048576};
///     sluice::histogram("size", sluice::Unit::kBytes, &Call::bytes, sluice::bounded_by<kSizes>)
///
/// Where neighbouring bounds are closer than a 128th of their octave, values are found by a binary search.
template <const auto& kBounds, class BucketViews = Views<>>
struct Buckets;

/// The layout with the given views.
template <const auto& kBounds, const auto& kQuarters, const auto& kOctaves, const auto& kOtel, const auto& kInclusive>
struct Buckets<kBounds, Views<kQuarters, kOctaves, kOtel, kInclusive>> {
  static_assert(kBounds.size() >= 1, "a histogram needs at least one bound");
  static_assert(kBounds.size() <= kBoundsMost, "a histogram has at most 255 bounds");
  static_assert(std::is_sorted(kBounds.begin(), kBounds.end()) &&
                    std::adjacent_find(kBounds.begin(), kBounds.end()) == kBounds.end() && kBounds.front() > 0,
                "the bounds of a histogram must ascend, and the first must be above 0");
  static_assert(kBounds.back() < detail::kFindable, "the bounds of a histogram must be below 2^48");

  static constexpr std::size_t kSize = kBounds.size() + 1;   ///< Number of buckets.
  static constexpr std::uint64_t kLongest = kBounds.back();  ///< Lower bound of the last bucket.
  static constexpr bool kPaired = detail::kPaired<kBounds>;  ///< True if two values can be found at once.

  /// Returns the bucket of a value. Wait-free and, but for bounds that are very close, without a branch, because values
  /// beyond the last bound are reduced to it.
  static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
    const std::uint64_t within = std::min(value, kLongest);
    if constexpr (detail::kCellBits<kBounds> == 0) {
      return static_cast<std::size_t>(std::upper_bound(kBounds.begin(), kBounds.end(), within) - kBounds.begin());
    } else {
      const std::uint64_t cell = (detail::scaled(within) >> detail::kCellShift<kBounds>)-detail::kFirstCell<kBounds>;
      return (detail::kCellWords<kBounds>[cell] + within) >> detail::kBucketShift;
    }
  }

  /// Returns the buckets of two values below detail::kFindable, each in the bits from detail::kBucketShift on of its
  /// element.
  [[gnu::always_inline]] static detail::U64x2 buckets_of(detail::U64x2 values) noexcept requires(kPaired) {
    const detail::U64x2 numbers = detail::scaled(values) >> detail::kCellShift<kBounds>;
    return values +
           detail::U64x2{detail::kCellWords<kBounds>[detail::extract16<0>(numbers) - detail::kFirstCell<kBounds>],
                         detail::kCellWords<kBounds>[detail::extract16<1>(numbers) - detail::kFirstCell<kBounds>]};
  }

  /// Returns the smallest value of a bucket; 0 for the first.
  static constexpr std::uint64_t lower_bound(std::size_t bucket) noexcept {
    return bucket == 0 ? 0 : kBounds[bucket - 1];
  }

  /// Returns true if every bucket begins at its bound.
  static constexpr bool is_sound() noexcept {
    for (std::size_t bucket = 1; bucket < kSize; ++bucket) {
      const std::uint64_t bound = lower_bound(bucket);
      if (bucket_of(bound) != bucket || bucket_of(bound - 1) != bucket - 1) return false;
    }
    return bucket_of(0) == 0 && bucket_of(UINT64_MAX) == kSize - 1;
  }

  /// The layout as readers know it.
  static constexpr BucketsInfo kInfo{.bounds = kBounds,
                                     .inclusive = kInclusive,
                                     .quarter_octaves = detail::view_of<kBounds, kQuarters>(),
                                     .octaves = detail::view_of<kBounds, kOctaves>(),
                                     .otel = detail::view_of<kBounds, kOtel>(),
                                     .all = detail::view_of<kBounds, kBounds>(),
                                     .bucket_of = bucket_of};
};

/// The layout with the given bounds, for histogram().
template <const auto& kBounds>
inline constexpr Buckets<kBounds> bounded_by{};

/// @}

}  // namespace sluice
