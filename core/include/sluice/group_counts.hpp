// What the processes of a group have counted since its beginning: plain sums that only grow, of whole words, so that
// they can be kept in shared memory word by word.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sluice/bucket_layout.hpp"
#include "sluice/phase.hpp"

namespace sluice {

/// The sum, or the largest number where that is too large: a sum that began anew at 0 would have gone down.
constexpr std::uint64_t saturated_sum(std::uint64_t a, std::uint64_t b) noexcept {
  const std::uint64_t sum = a + b;
  return sum | -static_cast<std::uint64_t>(sum < a);
}

struct PhaseCounts {
  std::uint64_t total_us = 0;
  std::array<std::uint64_t, BucketLayout::kBuckets> buckets{};
};

struct GroupCounts {
  std::uint64_t request_count = 0;
  std::uint64_t busy_ns = 0;                      ///< Of the requests that completed.
  std::array<std::uint64_t, 5> status_classes{};  ///< 1xx to 5xx.
  std::uint64_t request_cpu_ns = 0;
  std::uint64_t gil_wait_count = 0;
  std::uint64_t input_bytes = 0;
  std::uint64_t input_reads = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t output_writes = 0;
  std::uint64_t process_cpu_us = 0;
  std::array<PhaseCounts, kPhases> phases{};  ///< By Phase.

  static constexpr std::size_t kWords = 14 + kPhases * (1 + BucketLayout::kBuckets);
  using Words = std::array<std::uint64_t, kWords>;

  /// Adds each counter by saturated_sum().
  void add(const GroupCounts& other) noexcept;
};

static_assert(sizeof(GroupCounts) == sizeof(GroupCounts::Words));

inline void GroupCounts::add(const GroupCounts& other) noexcept {
  auto words = std::bit_cast<Words>(*this);
  const auto added = std::bit_cast<Words>(other);
  for (std::size_t i = 0; i < kWords; ++i) words[i] = saturated_sum(words[i], added[i]);
  *this = std::bit_cast<GroupCounts>(words);
}

}  // namespace sluice
