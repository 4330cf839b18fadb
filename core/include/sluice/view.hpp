// SPDX-License-Identifier: Apache-2.0
// Views of a histogram: coarser layouts whose bounds are some of those of BucketLayout, so that each entry is a sum of
// whole buckets and every count is exact.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/bucket_layout.hpp"

namespace sluice {

/// \addtogroup read
/// @{

/// A coarser layout of buckets, with entries instead of buckets. A plain value that refers to a constant table.
class View {
 public:
  /// Makes a view from the first bucket of each entry, ascending from 0. The table must outlive the view.
  constexpr explicit View(std::span<const std::uint8_t> firsts) noexcept : firsts_(firsts) {}

  /// Returns the number of entries, which is one more than the number of bounds.
  [[nodiscard]] constexpr std::size_t size() const noexcept { return firsts_.size(); }

  /// Returns the first bucket of an entry, or the number of buckets for an entry behind the last.
  [[nodiscard]] constexpr std::size_t first(std::size_t entry) const noexcept {
    return entry < firsts_.size() ? firsts_[entry] : BucketLayout::kBuckets;
  }

  /// Returns the smallest duration of an entry in microseconds; 0 for the first.
  [[nodiscard]] constexpr std::uint64_t lower_bound_us(std::size_t entry) const noexcept {
    return BucketLayout::lower_bound_us(first(entry));
  }

  /// Returns the number of durations in an entry, which must be less than size().
  [[nodiscard]] constexpr std::uint64_t count(const std::array<std::uint64_t, BucketLayout::kBuckets>& buckets,
                                              std::size_t entry) const noexcept {
    std::size_t bucket = firsts_[entry];
    std::uint64_t sum = buckets[bucket];  // most have one
    for (const std::size_t end = first(entry + 1); ++bucket < end;) sum += buckets[bucket];
    return sum;
  }

 private:
  std::span<const std::uint8_t> firsts_;
};

/// @}

namespace detail {

template <std::size_t kBounds>
constexpr bool in_layout(const std::array<std::uint64_t, kBounds>& some) {
  return std::is_sorted(some.begin(), some.end()) &&
         std::includes(bounds::kAll.begin(), bounds::kAll.end(), some.begin(), some.end());
}

template <std::size_t kBounds>
constexpr std::array<std::uint8_t, kBounds + 1> first_buckets(const std::array<std::uint64_t, kBounds>& some) {
  std::array<std::uint8_t, kBounds + 1> firsts{};
  for (std::size_t i = 0; i < kBounds; ++i) firsts[i + 1] = static_cast<std::uint8_t>(BucketLayout::bucket_of(some[i]));
  return firsts;
}

inline constexpr auto kOctaveBounds = [] {
  constexpr std::size_t kBelow = bounds::kUpToMillisecond.size();
  std::array<std::uint64_t, kBelow + bounds::kQuarterOctaves.size() / bounds::kQuartersOfOctave> octaves{};
  std::copy(bounds::kUpToMillisecond.begin(), bounds::kUpToMillisecond.end(), octaves.begin());
  for (std::size_t i = kBelow; i < octaves.size(); ++i) {
    octaves[i] = bounds::kQuarterOctaves[bounds::kQuartersOfOctave * (i - kBelow + 1) - 1];
  }
  return octaves;
}();

static_assert(BucketLayout::kBuckets <= UINT8_MAX);
static_assert(in_layout(bounds::kQuarterOctaves) && in_layout(kOctaveBounds) && in_layout(bounds::kOtelHttpBounds));

inline constexpr auto kQuarterOctaveFirsts = first_buckets(bounds::kQuarterOctaves);
inline constexpr auto kOctaveFirsts = first_buckets(kOctaveBounds);
inline constexpr auto kOtelHttpFirsts = first_buckets(bounds::kOtelHttpBounds);
inline constexpr auto kAllFirsts = first_buckets(bounds::kAll);

}  // namespace detail

namespace views {

/// \addtogroup read
/// @{

/// 65 entries: up to 1.25 ms, 63 quarters of octaves, and from 65536 ms on.
inline constexpr View kQuarterOctaves{detail::kQuarterOctaveFirsts};
/// 25 entries: octaves from 1/128 ms to 65536 ms, and one at either end.
inline constexpr View kOctaves{detail::kOctaveFirsts};
/// 15 entries: the bounds that OpenTelemetry advises for http.server.request.duration.
inline constexpr View kOtelHttpBounds{detail::kOtelHttpFirsts};
/// 87 entries: every bucket.
inline constexpr View kAll{detail::kAllFirsts};

static_assert(kQuarterOctaves.size() == 65 && kAll.size() == BucketLayout::kBuckets);

/// @}

}  // namespace views

}  // namespace sluice
