// Views of a histogram: coarser layouts whose bounds are some of BucketLayout's, so that each entry is a sum of whole
// buckets and every count is exact.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/bucket_layout.hpp"

namespace sluice {

/// A plain value; refers to a table that lives as long as the program.
class View {
 public:
  /// `firsts`: the first bucket of each entry.
  constexpr explicit View(std::span<const std::uint8_t> firsts) noexcept : firsts_(firsts) {}

  /// Entries; one more than there are bounds.
  [[nodiscard]] constexpr std::size_t size() const noexcept { return firsts_.size(); }

  /// The first bucket of an entry; of the one after the last, the number of buckets.
  [[nodiscard]] constexpr std::size_t first(std::size_t entry) const noexcept {
    return entry < firsts_.size() ? firsts_[entry] : BucketLayout::kBuckets;
  }

  /// The smallest duration of an entry; 0 for the first.
  [[nodiscard]] constexpr std::uint64_t lower_bound_us(std::size_t entry) const noexcept {
    return BucketLayout::lower_bound_us(first(entry));
  }

  /// How many durations fall into an entry, which must be less than size().
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

/// 65 entries: 16 octaves from 1 ms in quarters, and what is longer. What is shorter is in the first.
inline constexpr View kQuarterOctaves(detail::kQuarterOctaveFirsts);
/// 25 entries: octaves from 1/128 ms to 65536 ms, and what is shorter and longer.
inline constexpr View kOctaves(detail::kOctaveFirsts);
/// 15 entries: the bounds that OpenTelemetry advises for the duration of requests to a server.
inline constexpr View kOtelHttpBounds(detail::kOtelHttpFirsts);
/// Every bucket of the layout.
inline constexpr View kAll(detail::kAllFirsts);

static_assert(kQuarterOctaves.size() == 65 && kAll.size() == BucketLayout::kBuckets);

}  // namespace views

}  // namespace sluice
