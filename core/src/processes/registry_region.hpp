// SPDX-License-Identifier: Apache-2.0
// The memory that a registry shares: a table that the parent writes and other processes only read, and the region of
// each slot, which its process can write at will.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/functional/function_ref.h"
#include "memory.hpp"
#include "sluice/detail/retired_series.hpp"
#include "sluice/detail/retired_totals.hpp"
#include "sluice/group_counts.hpp"
#include "sluice/registry.hpp"

namespace sluice::inline v0_1 {

// Atomic in builds for ThreadSanitizer, too, because other processes write the counters.
using RegistryAtomics = detail::StdAtomics;
using RegistryFence = detail::SymmetricFence;

/// The words of the counts of a group: kOwnWords of its own, in this order, then the sums of the schema.
enum GroupWord : std::size_t { kRequestCount, kBusyNs, kProcessCpuUs };
inline constexpr std::size_t kGroupWordsMost = GroupCounts::kOwnWords + kWordsMost;

/// A process group, as readers see it.
struct RegistryGroup {
  char name[Registry::kNameBytes];  ///< Written once, before `groups_used` includes the group.
  std::uint8_t mode;
  std::atomic<std::uint64_t> starts;
  std::atomic<std::uint32_t> event_loops;  ///< Not 0 once a process of event loops has ended.
  detail::RetiredTotals<RegistryAtomics, kGroupWordsMost> retired;
};

/// A slot, as readers see it. All other members are written before the occupancy is published.
struct RegistrySlot {
  detail::Occupancy<RegistryAtomics> occupancy;
  std::atomic<std::uint64_t> reserved_ns;  ///< Monotonic time before the process was forked.
  std::atomic<std::uint64_t> started_ns;   ///< Monotonic time after the process was forked.
  std::atomic<std::int32_t> pid;
  std::atomic<std::uint32_t> group;
  std::atomic<std::uint32_t> threads;
  std::atomic<std::uint32_t> series;  ///< Number of the parent's sets of labels before the process was forked.
  std::atomic<std::uint64_t> bytes;   ///< Size of its region; 0: the process is unlisted.
  /// 1 from before the parent looks at the clock to bound what the ended process has counted. A reader that finds 0
  /// after it has looked at the clock has a smaller bound, so that no count goes down when the process is retired.
  std::atomic<std::uint32_t> ending;
};

/// The table that readers map.
struct RegistryTable {
  std::uint64_t layout;
  double start_time;  ///< Time at which the table was made, in seconds since the Unix epoch.
  std::atomic<std::uint32_t> groups_used;
  std::atomic<std::uint32_t> slots_used;
  RegistryGroup groups[Registry::kGroups];
  RegistrySlot slots[Registry::kSlots];
};

/// The memory of a process, mapped for reading.
struct Region {
  const detail::MemoryLayout& layout;
  const std::byte* memory;
  std::size_t threads;
  std::uint8_t mode;
  std::size_t series = 0;        ///< Number of series that the process has room for; 0: it has no labels.
  std::uint32_t series_end = 0;  ///< Numbers of series from here on have no labels.
};

/// The entries of the retired counts of series have the number of requests, then the sums of the schema, as groups
/// have.
[[nodiscard]] std::size_t retired_series_bytes(const SchemaInfo& schema, std::size_t series) noexcept;
[[nodiscard]] detail::RetiredSeries<RegistryAtomics> retired_series_in(void* memory, const SchemaInfo& schema,
                                                                       std::size_t series) noexcept;

// The three functions below read a region into which its process may have written anything. Each number is bounded. The
// marks of series decide which cells are read, and so how long reading takes, but nothing outside of the region is ever
// read, and no cell twice in one pass.

/// Adds the counts in the region of a process that has ended. `age_ns` is at least the time since the process was
/// forked.
void add_ended(const Region& region, std::uint64_t age_ns, std::span<std::uint64_t> words) noexcept;

/// Takes counts of a series: the number of requests, then the sums of the schema.
using AddSeries = absl::FunctionRef<void(std::uint32_t number, std::span<const std::uint64_t> amounts)>;

/// Does the same for a process with series, and calls `add` with parts of the counts of each, which add up to what is
/// added to `words`.
void add_ended_by_series(const Region& region, std::uint64_t age_ns, std::span<std::uint64_t> words,
                         AddSeries add) noexcept;

/// Adds the counts in the region of a living process. Each slot is read as a whole, or as it is if its writer is
/// stopped inside a record or leaves no time between two, as one with many series may. If the process has series, adds
/// their counts to `reading.counts.series`. \throws std::bad_alloc
void add_living(const Region& region, std::uint64_t now_ns, std::uint64_t age_ns, GroupReading& reading,
                std::span<std::uint64_t> words);

/// Adds words by saturated_sum(). Both have the same size.
void add_words(std::span<std::uint64_t> to, std::span<const std::uint64_t> from) noexcept;

}  // namespace sluice
