// What lies in the memory of a registry: its table at the beginning, then the memory of places.
#pragma once

#include <atomic>
#include <cstdint>

#include "memory.hpp"
#include "sluice/detail/folds.hpp"
#include "sluice/group_counts.hpp"
#include "sluice/registry.hpp"

namespace sluice {

using RegistryCells = detail::AtomicCells;  // also where counters are plain: it is other processes that write them
using RegistryFence = detail::SymmetricFence;

struct RegistryGroup {
  char name[Registry::kNameBytes];  ///< Written before it is counted among the groups, and never again.
  Mode mode;
  std::atomic<std::uint64_t> starts;
  detail::Folds<RegistryCells, GroupCounts::kWords> folds;
};

/// All but the tenancy and the pid are written before the place has an owner, or by the owner before it lives.
struct RegistryPlace {
  detail::Tenancy<RegistryCells> tenancy;  ///< The owner is its pid, or kParent.
  std::atomic<std::int32_t> pid;           ///< 0: not known yet.
  std::atomic<std::uint32_t> group;
  std::atomic<std::uint32_t> threads;  ///< Of its recorder.
  std::atomic<std::uint64_t> offset;
  std::atomic<std::uint64_t> bytes;  ///< 0: it records elsewhere.
};

struct RegistryTable {
  std::uint64_t layout;
  std::atomic<std::uint64_t> last_life;
  std::atomic<std::uint32_t> groups_used;
  std::atomic<std::uint32_t> places_used;
  RegistryGroup groups[Registry::kGroups];
  RegistryPlace places[Registry::kPlaces];

  static RegistryTable& in(std::byte* region) noexcept { return *reinterpret_cast<RegistryTable*>(region); }
};

/// Owns a place for a process that is about to be forked.
inline constexpr std::uint32_t kParent = UINT32_MAX;

/// Adds what a recorder's memory holds of a process that has ended.
void add_ended(void* memory, std::size_t threads, GroupCounts& counts) noexcept;

/// Adds what a recorder's memory holds of a process that lives and goes on counting. Each slot is read whole, unless
/// its writer stands still inside a record: then as it is.
void add_living(void* memory, std::size_t threads, std::uint64_t now_ns, GroupReading& reading) noexcept;

}  // namespace sluice
