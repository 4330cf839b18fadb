// SPDX-License-Identifier: Apache-2.0
// The memory that a registry shares: a table that the parent writes and other processes only read, and the region of
// each slot, which its process can write at will.
#pragma once

#include <atomic>
#include <cstdint>

#include "memory.hpp"
#include "sluice/detail/retired_totals.hpp"
#include "sluice/group_counts.hpp"
#include "sluice/registry.hpp"

namespace sluice {

// Atomic in builds for ThreadSanitizer, too, because other processes write the counters.
using RegistryAtomics = detail::StdAtomics;
using RegistryFence = detail::SymmetricFence;

/// A process group, as readers see it.
struct RegistryGroup {
  char name[Registry::kNameBytes];  ///< Written once, before `groups_used` includes the group.
  Mode mode;
  std::atomic<std::uint64_t> starts;
  detail::RetiredTotals<RegistryAtomics, GroupCounts::kWords> retired;
};

/// A slot, as readers see it. All other members are written before the occupancy is published.
struct RegistrySlot {
  detail::Occupancy<RegistryAtomics> occupancy;
  std::atomic<std::uint64_t> reserved_ns;  ///< Monotonic time before the process was forked.
  std::atomic<std::int32_t> pid;
  std::atomic<std::uint32_t> group;
  std::atomic<std::uint32_t> threads;
  std::atomic<std::uint64_t> bytes;  ///< Size of its region; 0: the process is unlisted.
};

/// The table that readers map.
struct RegistryTable {
  std::uint64_t layout;
  std::atomic<std::uint32_t> groups_used;
  std::atomic<std::uint32_t> slots_used;
  RegistryGroup groups[Registry::kGroups];
  RegistrySlot slots[Registry::kSlots];
};

// The two functions below read a region into which its process may have written anything. Each number is bounded, and
// no number decides which memory is read or how long reading takes.

/// Adds the counts in the region of a process that has ended. `age_ns` is at least the time since the process was
/// forked.
void add_ended(const std::byte* region, std::size_t threads, std::uint64_t age_ns, GroupCounts& counts) noexcept;

/// Adds the counts in the region of a living process. Each slot is read as a whole, or as it is if its writer is
/// stopped inside a record.
void add_living(const std::byte* region, std::size_t threads, std::uint64_t now_ns, std::uint64_t age_ns,
                GroupReading& reading) noexcept;

}  // namespace sluice
