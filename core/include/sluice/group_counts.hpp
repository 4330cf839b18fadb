// SPDX-License-Identifier: Apache-2.0
// The counts of a process group since its beginning: sums that only grow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/counts.hpp"
#include "sluice/schema_info.hpp"
#include "sluice/series.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup processes_api
/// @{

/// Returns a + b, or the largest number if the sum is larger: a sum that wrapped around would seem to go down.
constexpr std::uint64_t saturated_sum(std::uint64_t a, std::uint64_t b) noexcept {
  const std::uint64_t sum = a + b;
  return sum | -static_cast<std::uint64_t>(sum < a);
}

/// Returns the growth of a counter; 0 if it is less than before.
constexpr std::uint64_t growth(std::uint64_t before, std::uint64_t now) noexcept {
  return now > before ? now - before : 0;
}

/// Counts of all processes of a group, ended ones included. A process may have written anything into its memory, so no
/// counter of a slot is taken for more than its process can have counted since Registry::started(): for each nanosecond
/// 64 bytes or units of time, 64 units of the sum of a histogram, and one of any other number.
struct GroupCounts {
  std::uint64_t request_count = 0;     ///< Number of completed requests.
  std::uint64_t busy_ns = 0;           ///< Time that worker threads spent in completed requests.
  std::uint64_t process_cpu_us = 0;    ///< CPU time of the processes.
  const SchemaInfo* schema = nullptr;  ///< Schema of the processes.
  std::uint8_t mode = 0;               ///< Mode of the processes.
  std::vector<std::uint64_t> sums;     ///< Sums, in the words of the schema; empty means zeros.
  /// The same counts by series, if the registry has series. `request_count` and `sums` are the sums of its entries by
  /// saturated_sum().
  SeriesCounts series = {};

  /// Number of counters that are not in `sums`.
  static constexpr std::size_t kOwnWords = 3;

  /// Returns the counts of the schema. The extremes of histograms are not known.
  [[nodiscard]] CountsRef counts() const noexcept { return {schema, mode, sums, {}}; }
  /// Returns what was counted of a member of the struct that was recorded, see CountsRef::get().
  template <auto kMember>
  [[nodiscard]] auto get() const noexcept {
    return counts().get<kMember>();
  }

  /// Adds each counter by saturated_sum(). Takes the schema of `other` if there is none yet. Both are of registries
  /// with the same set of series, or of ones without.
  /// \throws std::invalid_argument if they have series of two sets. Nothing is added then.
  void add(const GroupCounts& other);
  /// Returns what was counted after `earlier`, an earlier reading of the same group, for formats that send differences.
  /// A count that is less than it was, as CPU time that the system did not tell for once, is 0.
  /// \throws std::invalid_argument if the counts are of two schemas, or have series of two sets.
  /// \throws std::bad_alloc
  [[nodiscard]] GroupCounts since(const GroupCounts& earlier) const;
};

/// @}

}  // namespace sluice
