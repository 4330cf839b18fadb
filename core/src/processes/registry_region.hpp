// What lies in the memory that a registry shares: a table that the parent writes and others only read, and the region
// of each slot, which its process writes as it likes.
#pragma once

#include <atomic>
#include <cstdint>

#include "memory.hpp"
#include "sluice/detail/retired_totals.hpp"
#include "sluice/group_counts.hpp"
#include "sluice/registry.hpp"

namespace sluice {

using RegistryAtomics = detail::StdAtomics;  // also where counters are plain: other processes write them
using RegistryFence = detail::SymmetricFence;

struct RegistryGroup {
  char name[Registry::kNameBytes];  ///< Written before the group is counted in `groups_used`, and never again.
  Mode mode;
  std::atomic<std::uint64_t> starts;
  detail::RetiredTotals<RegistryAtomics, GroupCounts::kWords> retired;
};

/// All but the occupancy is written before the occupancy is published.
struct RegistrySlot {
  detail::Occupancy<RegistryAtomics> occupancy;
  std::atomic<std::uint64_t> reserved_ns;  ///< Before the process was forked; monotonic.
  std::atomic<std::int32_t> pid;
  std::atomic<std::uint32_t> group;
  std::atomic<std::uint32_t> threads;
  std::atomic<std::uint64_t> bytes;  ///< Size of its region; 0: it records elsewhere.
};

struct RegistryTable {
  std::uint64_t layout;
  std::atomic<std::uint32_t> groups_used;
  std::atomic<std::uint32_t> slots_used;
  RegistryGroup groups[Registry::kGroups];
  RegistrySlot slots[Registry::kSlots];
};

// What follows reads a region whose process may have written anything into it: each number is bounded, and no number
// decides which memory is read or how long it takes.

/// Adds what the region of a process that has ended holds.
/// `age_ns` is the time since the process was forked or longer.
void add_ended(const std::byte* region, std::size_t threads, std::uint64_t age_ns, GroupCounts& counts) noexcept;

/// Adds what the region of a process holds that lives and goes on counting. Each slot is read whole, unless its writer
/// stands still inside a record: then as it is.
void add_living(const std::byte* region, std::size_t threads, std::uint64_t now_ns, std::uint64_t age_ns,
                GroupReading& reading) noexcept;

}  // namespace sluice
