#include "sluice/registry.hpp"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "os/mapping.hpp"
#include "os/processes.hpp"
#include "os/shared_region.hpp"
#include "processes/registry_region.hpp"
#include "sluice/clock.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t mixed(std::uint64_t hash, std::uint64_t number) noexcept {
  return (hash ^ number) * 0x100000001B3U;
}

bool same(const Registry::Tenant& a, const Registry::Tenant& b) noexcept {
  return a.group == b.group && a.owner == b.owner;
}

bool belongs(const Registry::ParentState::Allocation& slot, const Registry::Tenant& tenant) noexcept {
  return same({slot.group, slot.owner}, tenant);
}

}  // namespace

std::uint64_t Registry::layout() noexcept {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const std::size_t part :
       {sizeof(RegistryTable), sizeof(RegistryGroup), sizeof(RegistrySlot), sizeof(RecorderHeader), sizeof(ParentState),
        sizeof(detail::Slot<detail::ProductionAtomics>), alignof(detail::EpochBank<detail::ProductionAtomics>),
        sizeof(GroupCounts), kGroups, kSlots, BucketLayout::kBuckets, kPhases, Recorder::memory_bytes(1),
        Recorder::memory_bytes(100)}) {
    hash = mixed(hash, part);
  }
  return hash;
}

bool Registry::open(std::size_t most_bytes) noexcept {
  if (is_open()) return state_.table->layout == layout();
  const auto region = os::make_shared_region(os::whole_pages(sizeof(RegistryTable)));
  if (!region) return false;
  state_.table = std::launder(reinterpret_cast<RegistryTable*>(region->writable.data()));
  state_.view = std::launder(reinterpret_cast<const RegistryTable*>(region->readable.data()));
  state_.most_bytes = most_bytes;
  state_.ended_cpu_us = os::ended_children_cpu_us();
  state_.table->layout = layout();
  return true;
}

Registry::Group Registry::group(std::string_view name, Mode mode) noexcept {
  if (!is_open()) return {0, false};
  const std::string_view kept = name.substr(0, kNameBytes - 1);
  for (std::uint32_t i = 0; i < state_.groups_used; ++i) {
    if (kept == state_.groups[i].name) return {i, false};
  }
  if (state_.groups_used == kGroups) return {kGroups - 1, true};
  const std::uint32_t index = state_.groups_used++;
  std::memcpy(state_.groups[index].name, kept.data(), kept.size());
  state_.groups[index].mode = mode;
  RegistryTable& table = *state_.table;
  std::memcpy(table.groups[index].name, state_.groups[index].name, kNameBytes);
  table.groups[index].mode = mode;
  table.groups_used.store(state_.groups_used, std::memory_order_release);
  return {index, false};
}

// Slots.

int Registry::add_slot() noexcept {
  return state_.slots_used < kSlots ? static_cast<int>(state_.slots_used++) : kNoSlot;
}

/// Gives a new slot a region of so many bytes. False with errno set.
bool Registry::allocate(const Tenant& tenant, std::uint64_t bytes) noexcept {
  if (bytes > state_.most_bytes - state_.allocated_bytes || state_.slots_used == kSlots) {
    errno = ENOSPC;
    return false;
  }
  const auto region = os::make_shared_region(bytes);
  if (!region) return false;
  Allocation& slot = state_.slots[add_slot()];
  slot.writable = region->writable.data();
  slot.readable = region->readable.data();
  slot.bytes = bytes;
  slot.group = tenant.group;
  slot.owner = tenant.owner;
  state_.allocated_bytes += bytes;
  return true;
}

bool Registry::pre_allocate(std::vector<Demand> demands) noexcept {
  if (!is_open()) return false;
  // The largest demands come first, and each counts all regions of its tenant that are large enough, those of the
  // demands before included.
  std::sort(demands.begin(), demands.end(), [](const Demand& a, const Demand& b) { return a.threads > b.threads; });
  bool all = true;
  for (auto demand = demands.begin(); demand != demands.end(); ++demand) {
    const std::uint64_t bytes = Recorder::memory_bytes(demand->threads);
    const Tenant tenant = demand->tenant;
    std::size_t wanted = 0;
    for (auto each = demands.begin(); each <= demand; ++each)
      wanted += same(each->tenant, tenant) ? each->processes : 0;
    auto enough =
        static_cast<std::size_t>(std::count_if(used_slots().begin(), used_slots().end(), [&](const Allocation& slot) {
          return belongs(slot, tenant) && slot.bytes >= bytes;
        }));
    while (enough < wanted && allocate(tenant, bytes)) ++enough;
    all = all && enough >= wanted;
  }
  return all;
}

/// The tenant's smallest free region that is large enough.
int Registry::free_slot(const Tenant& tenant, std::uint64_t bytes) const noexcept {
  int found = kNoSlot;
  for (std::uint32_t i = 0; i < state_.slots_used; ++i) {
    const Allocation& slot = state_.slots[i];
    if (slot.use != ParentState::Use::kFree || !belongs(slot, tenant) || slot.bytes < bytes) continue;
    if (found == kNoSlot || slot.bytes < state_.slots[found].bytes) found = static_cast<int>(i);
  }
  return found;
}

int Registry::free_slot_without_memory() noexcept {
  for (std::uint32_t i = 0; i < state_.slots_used; ++i) {
    if (state_.slots[i].use == ParentState::Use::kFree && state_.slots[i].bytes == 0) return static_cast<int>(i);
  }
  return add_slot();
}

int Registry::reserve(const Tenant& tenant, std::size_t threads) noexcept {
  if (!is_open()) return kNoSlot;
  int index = free_slot(tenant, Recorder::memory_bytes(threads));
  if (index == kNoSlot) index = free_slot_without_memory();
  if (index == kNoSlot) return kNoSlot;
  Allocation& slot = state_.slots[index];
  slot.group = tenant.group;
  slot.owner = tenant.owner;
  slot.threads = static_cast<std::uint32_t>(threads);
  slot.pid = 0;
  slot.use = ParentState::Use::kReserved;
  state_.table->slots[index].reserved_ns.store(monotonic_ns(), std::memory_order_relaxed);  // published by [G7]
  os::pass_to_children(memory_of(index));
  return index;
}

void Registry::started(int index, std::int32_t pid) noexcept {
  if (index == kNoSlot || !is_open()) return;
  Allocation& slot = state_.slots[index];
  os::keep_from_children(memory_of(index));
  slot.pid = pid;
  slot.use = ParentState::Use::kRunning;
  RegistryTable& table = *state_.table;
  table.groups[slot.group].starts.fetch_add(1, std::memory_order_relaxed);  // a number alone
  RegistrySlot& published = table.slots[index];
  published.pid.store(pid, std::memory_order_relaxed);  // this and what follows: published by [G7]
  published.group.store(slot.group, std::memory_order_relaxed);
  published.threads.store(slot.threads, std::memory_order_relaxed);
  published.bytes.store(slot.bytes, std::memory_order_relaxed);
  published.occupancy.publish(++state_.last_incarnation);
  const auto used = static_cast<std::uint32_t>(index + 1);
  if (table.slots_used.load(std::memory_order_relaxed) < used) table.slots_used.store(used, std::memory_order_release);
}

void Registry::cancel(int index) noexcept {
  if (index == kNoSlot || !is_open()) return;
  os::keep_from_children(memory_of(index));
  state_.slots[index].use = ParentState::Use::kFree;
}

void Registry::cancel_reserved() noexcept {
  for (std::uint32_t i = 0; i < state_.slots_used; ++i) {
    if (state_.slots[i].use == ParentState::Use::kReserved) cancel(static_cast<int>(i));
  }
}

// Ends.

/// Relies on nothing that the process may have written, but for its counts.
void Registry::retire(std::size_t index) noexcept {
  Allocation& slot = state_.slots[index];
  RegistrySlot& published = state_.table->slots[index];
  auto& retired = state_.table->groups[slot.group].retired;
  GroupCounts counts;
  if (slot.readable != nullptr) {
    const std::uint64_t age_ns = monotonic_ns() - published.reserved_ns.load(std::memory_order_relaxed);  // own store
    add_ended(slot.readable, slot.threads, age_ns, counts);
  }
  const std::uint64_t cpu_us = os::ended_children_cpu_us();
  counts.process_cpu_us = cpu_us - std::exchange(state_.ended_cpu_us, cpu_us);
  counts.add(std::bit_cast<GroupCounts>(retired.current()));
  const std::span<std::byte> memory = memory_of(static_cast<int>(index));
  retired.retire<RegistryFence>(published.occupancy, std::bit_cast<GroupCounts::Words>(counts),
                                [memory] { os::clear_shared(memory); });
  slot.use = ParentState::Use::kFree;
  slot.pid = 0;
}

void Registry::ended(std::int32_t pid) noexcept {
  if (!is_open()) return;
  bool had_slot = false;
  for (std::uint32_t i = 0; i < state_.slots_used; ++i) {
    if (state_.slots[i].use != ParentState::Use::kRunning || state_.slots[i].pid != pid) continue;
    retire(i);
    had_slot = true;
  }
  if (!had_slot) forget_other_children();
}

void Registry::reap_missing() noexcept {
  if (!is_open()) return;
  for (std::uint32_t i = 0; i < state_.slots_used; ++i) {
    const Allocation& slot = state_.slots[i];
    if (slot.use == ParentState::Use::kRunning && !os::process_exists(slot.pid)) retire(i);
  }
}

void Registry::forget_other_children() noexcept { state_.ended_cpu_us = os::ended_children_cpu_us(); }

// Processes with a slot.

std::span<std::byte> Registry::memory_of(int index) const noexcept {
  if (index == kNoSlot) return {};
  const Allocation& slot = state_.slots[index];
  return {slot.writable, slot.writable != nullptr ? slot.bytes : 0};
}

/// A forked process inherits the regions that are reserved at that moment, of which one is its own.
void Registry::drop_writable_but(const Allocation* own) noexcept {
  for (Allocation& slot : used_slots()) {
    if (&slot == own) continue;
    if (slot.use == ParentState::Use::kReserved) os::unmap({slot.writable, slot.bytes});
    slot.writable = nullptr;
  }
  state_.table = nullptr;
}

std::span<std::byte> Registry::enter(int index) noexcept {
  drop_writable_but(index != kNoSlot ? &state_.slots[index] : nullptr);
  return memory_of(index);
}

std::span<std::byte> Registry::isolate_to(int index) noexcept {
  const std::span<std::byte> own = enter(index);
  for (Allocation& slot : used_slots()) {
    if (slot.readable != nullptr) os::unmap({slot.readable, slot.bytes});
    slot.readable = nullptr;
  }
  if (is_open()) os::unmap({reinterpret_cast<const std::byte*>(state_.view), os::whole_pages(sizeof(RegistryTable))});
  state_.view = nullptr;
  return own;
}

}  // namespace sluice
