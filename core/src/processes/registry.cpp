// SPDX-License-Identifier: Apache-2.0
#include "sluice/registry.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <utility>

#include "os/mapping.hpp"
#include "os/processes.hpp"
#include "os/shared_region.hpp"
#include "processes/registry_region.hpp"
#include "series_names.hpp"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::inline v0_1 {
namespace {

/// More than the clocks of two processors differ.
constexpr std::uint64_t kClockSkewNs = 1'000;

constexpr std::uint64_t mixed(std::uint64_t hash, std::uint64_t number) noexcept {
  return (hash ^ number) * 0x100000001B3U;
}

bool same(const Registry::Tenant& a, const Registry::Tenant& b) noexcept {
  return a.group == b.group && a.owner == b.owner;
}

bool belongs(const Registry::State::Allocation& slot, const Registry::Tenant& tenant) noexcept {
  return same({Registry::GroupId{slot.group}, slot.owner}, tenant);
}

absl::Status not_open() { return absl::FailedPreconditionError("the registry is not open"); }

absl::Status no_such_group() { return absl::InvalidArgumentError("the registry has no such group"); }

/// The counts of a process without worker slots would be read of no slot, whatever its recorder has.
absl::Status no_threads() { return absl::InvalidArgumentError("a process has at least one worker slot"); }

absl::Status no_room() {
  return absl::ResourceExhaustedError("the regions take all the memory that the registry may use");
}

}  // namespace

std::uint64_t Registry::layout_of(const detail::MemoryLayout& memory) noexcept {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const std::size_t part :
       {sizeof(RegistryTable), sizeof(RegistryGroup), sizeof(RegistrySlot), sizeof(detail::RecorderHeader),
        sizeof(State), memory.slot.slot_bytes, memory.slot.bank_bytes, memory.slot.sums_at, memory.slot.extremes_at,
        memory.slot.earlier_at, memory.overflow.stripe_bytes, detail::kTrackedMost, kGroups, kSlots,
        detail::kTreeFanout, GroupCounts::kOwnWords, detail::memory_bytes(memory, 1),
        detail::memory_bytes(memory, 100)}) {
    hash = mixed(hash, part);
  }
  return mixed(hash, memory.schema->hash);
}

/// Returns the number of the layout with these series.
std::uint64_t Registry::own_layout() const noexcept {
  const std::uint64_t layout = layout_of(memory_);
  if (series_ == nullptr) return layout;
  return mixed(mixed(layout, series_->most()), detail::memory_bytes(memory_, 1, series_->most()));
}

absl::Status Registry::open(std::size_t max_bytes) {
  if (is_open()) {
    // Own store.
    if (series_ != nullptr && series_->groups_.load(std::memory_order_relaxed) != state_.groups_used) {
      return absl::FailedPreconditionError("the registry belongs to another set of series");
    }
    if (state_.table->layout == own_layout()) return absl::OkStatus();
    return absl::FailedPreconditionError("the registry belongs to another version of the library");
  }
  const absl::StatusOr<os::SharedRegion> region = os::make_shared_region(os::whole_pages(sizeof(RegistryTable)));
  if (!region.ok()) return region.status();
  state_.table = std::launder(reinterpret_cast<RegistryTable*>(region->writable.data()));
  state_.readable_table = std::launder(reinterpret_cast<const RegistryTable*>(region->readable.data()));
  state_.max_bytes = max_bytes;
  state_.ended_cpu_us = os::ended_children_cpu_us();
  state_.table->layout = own_layout();
  state_.table->start_time = seconds_of_ns(static_cast<std::uint64_t>(system_clock().wall_ns()));
  return absl::OkStatus();
}

/// Makes memory for the series of the ended processes of the next group.
absl::Status Registry::add_retired_series() {
  const std::size_t bytes = os::whole_pages(retired_series_bytes(*memory_.schema, series_->most()));
  if (bytes > state_.max_bytes - state_.allocated_bytes) return no_room();
  const absl::StatusOr<os::SharedRegion> region = os::make_shared_region(bytes);
  if (!region.ok()) return region.status();
  const std::uint32_t group = series_->groups_.load(std::memory_order_relaxed);  // own store
  series_->retired_[group] = {region->writable, region->readable};
  series_->groups_.store(group + 1, std::memory_order_release);  // published to read(), before the group is
  state_.allocated_bytes += bytes;
  return absl::OkStatus();
}

absl::StatusOr<Registry::GroupAssignment> Registry::group(std::string_view name, std::uint8_t mode) {
  if (!is_open()) return not_open();
  if (mode >= kModes) return absl::InvalidArgumentError("a group has a mode from 0 to 7");
  const std::string_view kept = name.substr(0, std::min(name.find('\0'), kNameBytes - 1));
  for (std::uint32_t i = 0; i < state_.groups_used; ++i) {
    if (kept == state_.groups[i].name) return GroupAssignment{GroupId{i}, false};
  }
  if (state_.groups_used == kGroups) return GroupAssignment{GroupId{kGroups - 1}, true};
  if (series_ != nullptr) {
    if (const absl::Status status = add_retired_series(); !status.ok()) return status;
  }
  const std::uint32_t index = state_.groups_used++;
  std::memcpy(state_.groups[index].name, kept.data(), kept.size());
  state_.groups[index].mode = mode;
  RegistryTable& table = *state_.table;
  std::memcpy(table.groups[index].name, state_.groups[index].name, kNameBytes);
  table.groups[index].mode = mode;
  table.groups_used.store(state_.groups_used, std::memory_order_release);
  return GroupAssignment{GroupId{index}, false};
}

// Slots.

std::optional<Registry::SlotId> Registry::add_slot() noexcept {
  if (state_.slots_used == kSlots) return std::nullopt;
  return SlotId{state_.slots_used++};
}

/// Adds a slot with a region of `bytes` bytes.
absl::Status Registry::allocate(const Tenant& tenant, std::uint64_t bytes) {
  if (bytes > state_.max_bytes - state_.allocated_bytes) return no_room();
  if (state_.slots_used == kSlots) return absl::ResourceExhaustedError("all slots of the registry have a region");
  const absl::StatusOr<os::SharedRegion> region = os::make_shared_region(bytes);
  if (!region.ok()) return region.status();
  Allocation& slot = allocation(*add_slot());
  slot.writable = region->writable.data();
  slot.readable = region->readable.data();
  slot.bytes = bytes;
  slot.group = static_cast<std::uint32_t>(tenant.group);
  slot.owner = tenant.owner;
  state_.allocated_bytes += bytes;
  return absl::OkStatus();
}

absl::Status Registry::pre_allocate(std::vector<Demand> demands) {
  if (!is_open()) return not_open();
  const auto is_known = [](const Demand& demand) { return static_cast<std::uint32_t>(demand.tenant.group) < kGroups; };
  if (!std::all_of(demands.begin(), demands.end(), is_known)) return no_such_group();
  const auto has_threads = [](const Demand& demand) { return demand.threads != 0; };
  if (!std::all_of(demands.begin(), demands.end(), has_threads)) return no_threads();
  const auto bytes_of = [this](const Demand& demand) { return region_bytes(demand.threads, demand.host_bytes); };
  // The largest demands come first, and each counts all free regions of its tenant that are large enough, those of
  // the demands before included.
  std::sort(demands.begin(), demands.end(),
            [&](const Demand& a, const Demand& b) { return bytes_of(a) > bytes_of(b); });
  absl::Status status;
  for (auto demand = demands.begin(); demand != demands.end(); ++demand) {
    const std::uint64_t bytes = bytes_of(*demand);
    const Tenant tenant = demand->tenant;
    std::size_t needed = 0;
    for (auto other = demands.begin(); other <= demand; ++other) {
      needed += same(other->tenant, tenant) ? other->processes : 0;
    }
    auto regions =
        static_cast<std::size_t>(std::count_if(used_slots().begin(), used_slots().end(), [&](const Allocation& slot) {
          return belongs(slot, tenant) && slot.bytes >= bytes && slot.use != State::Use::kRunning;
        }));
    absl::Status allocated;
    for (; regions < needed && allocated.ok(); ++regions) allocated = allocate(tenant, bytes);
    status.Update(allocated);
  }
  return status;
}

/// Returns the tenant's smallest free region that is large enough.
std::optional<Registry::SlotId> Registry::free_slot(const Tenant& tenant, std::uint64_t bytes) const noexcept {
  std::optional<SlotId> smallest;
  for (std::uint32_t i = 0; i < state_.slots_used; ++i) {
    const Allocation& slot = state_.slots[i];
    if (slot.use != State::Use::kFree || !belongs(slot, tenant) || slot.bytes < bytes) continue;
    if (!smallest || slot.bytes < allocation(*smallest).bytes) smallest = SlotId{i};
  }
  return smallest;
}

std::optional<Registry::SlotId> Registry::free_slot_without_memory() noexcept {
  for (std::uint32_t i = 0; i < state_.slots_used; ++i) {
    if (state_.slots[i].use == State::Use::kFree && state_.slots[i].bytes == 0) return SlotId{i};
  }
  return add_slot();
}

std::uint64_t Registry::region_bytes(std::size_t threads, std::size_t host_bytes) const noexcept {
  const std::uint64_t recorder_bytes = detail::memory_bytes(memory_, threads, series_most());
  const std::uint64_t rounded_bytes = os::whole_pages(host_bytes);
  // A sum that wrapped around would seem to fit.
  return rounded_bytes < host_bytes ? UINT64_MAX : saturated_sum(recorder_bytes, rounded_bytes);
}

absl::StatusOr<Registry::SlotId> Registry::reserve(const Tenant& tenant, std::size_t threads, std::size_t host_bytes) {
  if (!is_open()) return not_open();
  if (static_cast<std::uint32_t>(tenant.group) >= state_.groups_used) return no_such_group();
  if (threads == 0) return no_threads();
  std::optional<SlotId> id = free_slot(tenant, region_bytes(threads, host_bytes));
  if (!id) id = free_slot_without_memory();
  if (!id) return absl::ResourceExhaustedError("all slots of the registry have a process");
  Allocation& slot = allocation(*id);
  slot.group = static_cast<std::uint32_t>(tenant.group);
  slot.owner = tenant.owner;
  slot.threads = static_cast<std::uint32_t>(threads);
  slot.pid = 0;
  slot.use = State::Use::kReserved;
  RegistrySlot& published = state_.table->slots[static_cast<std::uint32_t>(*id)];
  published.reserved_ns.store(monotonic_ns(), std::memory_order_relaxed);  // published by [G7]
  if (series_ != nullptr) {
    published.series.store(series_->names_->size(), std::memory_order_relaxed);  // published by [G7]
  }
  os::pass_to_children(memory_of(*id));
  return *id;
}

void Registry::started(SlotId id, std::int32_t pid) noexcept {
  if (!is_open()) return;
  Allocation& slot = allocation(id);
  os::keep_from_children(memory_of(id));
  slot.pid = pid;
  slot.use = State::Use::kRunning;
  RegistryTable& table = *state_.table;
  table.groups[slot.group].starts.fetch_add(1, std::memory_order_relaxed);  // a count, which orders nothing
  const auto index = static_cast<std::uint32_t>(id);
  RegistrySlot& published = table.slots[index];
  published.started_ns.store(monotonic_ns(), std::memory_order_relaxed);  // this and what follows: published by [G7]
  published.ending.store(0, std::memory_order_relaxed);
  published.pid.store(pid, std::memory_order_relaxed);
  published.group.store(slot.group, std::memory_order_relaxed);
  published.threads.store(slot.threads, std::memory_order_relaxed);
  published.bytes.store(slot.bytes, std::memory_order_relaxed);
  published.occupancy.publish(++state_.last_incarnation);
  if (table.slots_used.load(std::memory_order_relaxed) <= index) {
    table.slots_used.store(index + 1, std::memory_order_release);
  }
}

void Registry::cancel(SlotId id) noexcept {
  if (!is_open()) return;
  os::keep_from_children(memory_of(id));
  allocation(id).use = State::Use::kFree;
}

void Registry::cancel_reserved() noexcept {
  for (std::uint32_t i = 0; i < state_.slots_used; ++i) {
    if (state_.slots[i].use == State::Use::kReserved) cancel(SlotId{i});
  }
}

// Ends.

/// Returns the CPU time of the children whose end has not been processed, and takes it for processed.
std::uint64_t Registry::take_ended_cpu_us() noexcept {
  const std::uint64_t cpu_us = os::ended_children_cpu_us();
  return growth(std::exchange(state_.ended_cpu_us, cpu_us), cpu_us);
}

/// Uses nothing that the process may have written except its counts, and whether its threads were event loops.
void Registry::retire(SlotId id, std::uint64_t cpu_us) noexcept {
  Allocation& slot = allocation(id);
  RegistrySlot& published = state_.table->slots[static_cast<std::uint32_t>(id)];
  auto& retired = state_.table->groups[slot.group].retired;
  // On the stack, because nothing may fail here.
  std::array<std::uint64_t, kGroupWordsMost> memory_of_counts{};
  std::array<std::uint64_t, kGroupWordsMost> memory_of_totals{};
  const std::size_t size = GroupCounts::kOwnWords + memory_.schema->sums;
  const std::span counts = std::span(memory_of_counts).first(size);
  const std::span totals = std::span(memory_of_totals).first(size);
  if (slot.readable != nullptr) {
    published.ending.store(1, std::memory_order_relaxed);  // the fence orders it
    RegistryFence::light();
    if (detail::overflow_in(slot.writable, memory_).control().tracks()) {
      state_.table->groups[slot.group].event_loops.store(1, std::memory_order_relaxed);  // publishes no other data
    }
    const std::uint64_t now_ns = monotonic_ns() + kClockSkewNs;
    const std::uint64_t age_ns = now_ns - published.reserved_ns.load(std::memory_order_relaxed);  // own store
    if (series_ == nullptr) {
      add_ended({memory_, slot.readable, slot.threads, state_.groups[slot.group].mode}, age_ns, counts);
    } else {
      add_ended_by_series(id, age_ns, counts);
    }
  } else if (series_ != nullptr) {
    retired_series(slot.group).copy(retired.current_copy());  // the other copy becomes the current one
  }
  counts[kProcessCpuUs] = cpu_us;
  retired.current(totals);
  add_words(totals, counts);
  const std::span<std::byte> memory = memory_of(id);
  retired.retire<RegistryFence>(published.occupancy, totals, [memory] { os::clear_shared(memory); });
  slot.use = State::Use::kFree;
  slot.pid = 0;
}

/// Returns what the parent writes about the series of a group's ended processes.
detail::RetiredSeries<RegistryAtomics> Registry::retired_series(std::uint32_t group) const noexcept {
  return retired_series_in(series_->retired_[group].writable.data(), *memory_.schema, series_->most());
}

/// Adds the counts of an ended process, and those of its series to the copy of the group's that becomes the current
/// one.
void Registry::add_ended_by_series(SlotId id, std::uint64_t age_ns, std::span<std::uint64_t> counts) noexcept {
  const Allocation& slot = allocation(id);
  RegistryTable& table = *state_.table;
  const std::uint32_t series_end =
      table.slots[static_cast<std::uint32_t>(id)].series.load(std::memory_order_relaxed);  // own store
  const auto to = retired_series(slot.group);
  const std::size_t current = table.groups[slot.group].retired.current_copy();
  to.copy(current);
  const Region region{memory_,         slot.readable, slot.threads, state_.groups[slot.group].mode,
                      series_->most(), series_end};
  sluice::add_ended_by_series(
      region, age_ns, counts,
      [&](std::uint32_t number, std::span<const std::uint64_t> amounts) { to.add(current, number, amounts); });
}

void Registry::ended(std::int32_t pid) noexcept {
  if (!is_open()) return;
  bool had_slot = false;
  for (std::uint32_t i = 0; i < state_.slots_used; ++i) {
    if (state_.slots[i].use != State::Use::kRunning || state_.slots[i].pid != pid) continue;
    retire(SlotId{i}, take_ended_cpu_us());
    had_slot = true;
  }
  if (!had_slot) forget_other_children();
}

void Registry::ended(std::int32_t pid, std::uint64_t cpu_us) noexcept {
  if (!is_open()) return;
  // At most the time of all children: another end may have taken the time of this one, and the kernel tells wait4() a
  // little more than it has added.
  state_.ended_cpu_us = std::min(state_.ended_cpu_us + cpu_us, os::ended_children_cpu_us());
  for (std::uint32_t i = 0; i < state_.slots_used; ++i) {
    if (state_.slots[i].use == State::Use::kRunning && state_.slots[i].pid == pid) return retire(SlotId{i}, cpu_us);
  }
}

void Registry::reap_missing() noexcept {
  if (!is_open()) return;
  for (std::uint32_t i = 0; i < state_.slots_used; ++i) {
    const Allocation& slot = state_.slots[i];
    if (slot.use == State::Use::kRunning && !os::process_exists(slot.pid)) retire(SlotId{i}, take_ended_cpu_us());
  }
}

void Registry::forget_other_children() noexcept { state_.ended_cpu_us = os::ended_children_cpu_us(); }

// Processes with a slot.

std::span<std::byte> Registry::memory_of(SlotId id) const noexcept {
  const Allocation& slot = allocation(id);
  return {slot.writable, slot.writable != nullptr ? slot.bytes : 0};
}

/// Unmaps all regions but `own`. A forked process has inherited those that were reserved at the moment of the fork.
void Registry::unmap_writable_except(const Allocation* own) noexcept {
  for (Allocation& slot : used_slots()) {
    if (&slot == own) continue;
    if (slot.use == State::Use::kReserved) os::unmap({slot.writable, slot.bytes});
    slot.writable = nullptr;
  }
  state_.table = nullptr;
  if (series_ != nullptr) series_->close(true);
}

std::span<std::byte> Registry::enter(std::optional<SlotId> id) noexcept {
  unmap_writable_except(id ? &allocation(*id) : nullptr);
  const std::span<std::byte> own = id ? memory_of(*id) : std::span<std::byte>();
  if (!own.empty()) {
    const Allocation& slot = allocation(*id);
    std::launder(reinterpret_cast<detail::RecorderHeader*>(own.data()))->reserved = {
        .threads = slot.threads,
        .series = static_cast<std::uint32_t>(series_most()),
        .mode = state_.groups[slot.group].mode};
  }
  return own;
}

std::span<std::byte> Registry::isolate_to(std::optional<SlotId> id) noexcept {
  const std::span<std::byte> own = enter(id);
  for (Allocation& slot : used_slots()) {
    if (slot.readable != nullptr) os::unmap({slot.readable, slot.bytes});
    slot.readable = nullptr;
  }
  if (is_open())
    os::unmap({reinterpret_cast<const std::byte*>(state_.readable_table), os::whole_pages(sizeof(RegistryTable))});
  state_.readable_table = nullptr;
  if (series_ != nullptr) series_->close(false);
  return own;
}

}  // namespace sluice
