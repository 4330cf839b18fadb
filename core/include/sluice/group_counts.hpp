// SPDX-License-Identifier: Apache-2.0
// The counts of a process group since its beginning: sums that only grow, made of whole words, so that they can be kept
// in shared memory word by word.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sluice/bucket_layout.hpp"
#include "sluice/phase.hpp"

namespace sluice {

/// \addtogroup processes
/// @{

/// Returns a + b, or the largest number if the sum is larger: a sum that wrapped around would seem to go down.
constexpr std::uint64_t saturated_sum(std::uint64_t a, std::uint64_t b) noexcept {
  const std::uint64_t sum = a + b;
  return sum | -static_cast<std::uint64_t>(sum < a);
}

/// Counts of one phase.
struct PhaseCounts {
  std::uint64_t total_us = 0;                                   ///< Sum of the durations.
  std::array<std::uint64_t, BucketLayout::kBuckets> buckets{};  ///< Number of durations in each bucket.
};

/// Counts of all processes of a group, ended ones included.
struct GroupCounts {
  std::uint64_t request_count = 0;                ///< Number of completed requests.
  std::uint64_t busy_ns = 0;                      ///< Time that worker threads spent in completed requests.
  std::array<std::uint64_t, 5> status_classes{};  ///< Number of responses by class, 1xx to 5xx.
  std::uint64_t request_cpu_ns = 0;               ///< CPU time of completed requests.
  std::uint64_t gil_wait_count = 0;               ///< Number of single waits for an interpreter lock.
  std::uint64_t input_bytes = 0;                  ///< Bytes read from request bodies.
  std::uint64_t input_reads = 0;                  ///< Number of reads from request bodies.
  std::uint64_t output_bytes = 0;                 ///< Bytes written to response bodies.
  std::uint64_t output_writes = 0;                ///< Number of writes to response bodies.
  std::uint64_t process_cpu_us = 0;               ///< CPU time of the processes.
  std::array<PhaseCounts, kPhases> phases{};      ///< Counts by Phase.

  static constexpr std::size_t kWords = 14 + kPhases * (1 + BucketLayout::kBuckets);  ///< Number of counters.
  using Words = std::array<std::uint64_t, kWords>;                                    ///< All counters in their order.

  /// Adds each counter by saturated_sum().
  void add(const GroupCounts& other) noexcept;
};

static_assert(sizeof(GroupCounts) == sizeof(GroupCounts::Words));

/// @}

inline void GroupCounts::add(const GroupCounts& other) noexcept {
  auto words = std::bit_cast<Words>(*this);
  const auto added = std::bit_cast<Words>(other);
  for (std::size_t i = 0; i < kWords; ++i) words[i] = saturated_sum(words[i], added[i]);
  *this = std::bit_cast<GroupCounts>(words);
}

}  // namespace sluice
