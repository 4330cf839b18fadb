#include "sluice/registry.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <utility>

#include "os/mapping.hpp"
#include "os/processes.hpp"
#include "os/region.hpp"
#include "registry_region.hpp"

namespace sluice {
namespace {

constexpr std::size_t kLeastBytes = std::size_t{16} << 20U;

std::uint64_t table_bytes() noexcept { return os::whole_pages(sizeof(RegistryTable)); }

constexpr std::uint64_t mixed(std::uint64_t hash, std::uint64_t number) noexcept {
  return (hash ^ number) * 0x100000001B3U;
}

}  // namespace

std::uint64_t Registry::layout() noexcept {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const std::size_t each :
       {sizeof(RegistryTable), sizeof(RegistryGroup), sizeof(RegistryPlace), sizeof(RecorderHeader), sizeof(Book),
        sizeof(detail::Slot<detail::ProductionCells>), alignof(detail::EpochBank<detail::ProductionCells>),
        sizeof(GroupCounts), kGroups, kPlaces, Grid::kBuckets, kPhases, Recorder::memory_bytes(1),
        Recorder::memory_bytes(100)}) {
    hash = mixed(hash, each);
  }
  return hash;
}

bool Registry::open(std::size_t most_bytes) noexcept {
  if (is_open()) return RegistryTable::in(book_.region).layout == layout();
  std::span<std::byte> made;
  for (std::size_t bytes = most_bytes; made.empty() && bytes >= kLeastBytes; bytes /= 2) {
    made = os::map_shared(os::whole_pages(bytes));
  }
  if (made.empty()) return false;
  book_.region = made.data();
  book_.bytes = made.size();
  book_.ended_cpu_us = os::ended_children_cpu_us();
  RegistryTable::in(book_.region).layout = layout();
  return true;
}

Registry::Group Registry::group(std::string_view name, Mode mode) noexcept {
  if (!is_open()) return {0, false};
  RegistryTable& table = RegistryTable::in(book_.region);
  const std::uint32_t used = table.groups_used.load(std::memory_order_relaxed);
  const std::string_view kept = name.substr(0, kNameBytes - 1);
  for (std::uint32_t i = 0; i < used; ++i) {
    if (kept == table.groups[i].name) return {i, false};
  }
  if (used == kGroups) return {kGroups - 1, true};
  std::memcpy(table.groups[used].name, kept.data(), kept.size());
  table.groups[used].mode = mode;
  table.groups_used.store(used + 1, std::memory_order_release);
  return {used, false};
}

// Places.

int Registry::free_run() const noexcept {
  const auto* const found =
      std::find_if(std::begin(book_.runs), std::end(book_.runs), [](const Book::Run& each) { return !each.taken; });
  return found != std::end(book_.runs) ? static_cast<int>(found - std::begin(book_.runs)) : kNoPlace;
}

/// The first offset at which so many bytes are free; 0: there is none.
std::uint64_t Registry::room_for(std::uint64_t bytes) const noexcept {
  std::uint64_t offset = table_bytes();
  for (bool moved = true; moved;) {
    moved = false;
    for (const Book::Run& each : book_.runs) {
      if (!each.taken || offset >= each.offset + each.bytes || each.offset >= offset + bytes) continue;
      offset = each.offset + each.bytes;
      moved = true;
    }
  }
  return offset <= book_.bytes && bytes <= book_.bytes - offset ? offset : 0;
}

int Registry::take_run(std::uint32_t group, std::size_t threads, bool with_memory) noexcept {
  const int place = is_open() ? free_run() : kNoPlace;
  if (place == kNoPlace) return kNoPlace;
  const std::uint64_t wanted = with_memory ? Recorder::memory_bytes(threads) : 0;
  const std::uint64_t offset = wanted != 0 ? room_for(wanted) : 0;
  const std::uint64_t bytes = offset != 0 ? wanted : 0;
  book_.runs[place] = {.offset = offset,
                       .bytes = bytes,
                       .group = group,
                       .threads = static_cast<std::uint32_t>(threads),
                       .pid = 0,
                       .taken = true,
                       .offered = false};
  RegistryTable& table = RegistryTable::in(book_.region);
  RegistryPlace& shared = table.places[place];
  shared.group.store(group, std::memory_order_relaxed);  // published by the owner's life
  shared.threads.store(static_cast<std::uint32_t>(threads), std::memory_order_relaxed);
  shared.offset.store(offset, std::memory_order_relaxed);
  shared.bytes.store(bytes, std::memory_order_relaxed);
  const auto used = static_cast<std::uint32_t>(place + 1);
  if (table.places_used.load(std::memory_order_relaxed) < used) {
    table.places_used.store(used, std::memory_order_release);
  }
  return place;
}

int Registry::reserve(std::uint32_t group, std::size_t threads) noexcept {
  const int place = take_run(group, threads, true);
  if (place == kNoPlace) return kNoPlace;
  RegistryTable& table = RegistryTable::in(book_.region);
  RegistryPlace& shared = table.places[place];
  shared.pid.store(0, std::memory_order_relaxed);
  static_cast<void>(shared.tenancy.claim(kParent));
  shared.tenancy.live(table.last_life.fetch_add(1, std::memory_order_relaxed) + 1);
  return place;
}

void Registry::started(int place, std::int32_t pid) noexcept {
  if (place == kNoPlace) return;
  Book::Run& run = book_.runs[place];
  run.pid = pid;
  RegistryTable::in(book_.region).places[place].pid.store(pid, std::memory_order_relaxed);
  count_start(run.group);
}

void Registry::cancel(int place) noexcept {
  if (place != kNoPlace) fold(static_cast<std::size_t>(place));
}

void Registry::offer(std::uint32_t group, std::size_t threads, std::size_t places, std::size_t with_memory) noexcept {
  const auto offered = static_cast<std::size_t>(
      std::count_if(std::begin(book_.runs), std::end(book_.runs), [group, threads](const Book::Run& each) {
        return each.taken && each.offered && each.group == group && each.threads == threads;
      }));
  for (std::size_t i = offered; i < places; ++i) {
    const int place = take_run(group, threads, i < with_memory);
    if (place == kNoPlace) return;
    book_.runs[place].offered = true;
  }
}

void Registry::count_start(std::uint32_t group) noexcept {
  if (is_open()) RegistryTable::in(book_.region).groups[group].starts.fetch_add(1, std::memory_order_relaxed);
}

// Ends.

std::int32_t Registry::pid_at(std::size_t place) const noexcept {
  const Book::Run& run = book_.runs[place];
  if (!run.taken || !run.offered) return run.taken ? run.pid : 0;
  return static_cast<std::int32_t>(
      RegistryTable::in(book_.region).places[place].tenancy.owner.load(std::memory_order_relaxed));
}

/// Nothing that the process may have written is relied on, but for its counts.
void Registry::fold(std::size_t place) noexcept {
  Book::Run& run = book_.runs[place];
  RegistryTable& table = RegistryTable::in(book_.region);
  RegistryPlace& shared = table.places[place];
  const std::span<std::byte> memory = memory_at(run.offset, run.bytes);
  GroupCounts counts;
  const std::uint32_t threads = std::min(shared.threads.load(std::memory_order_relaxed), run.threads);
  if (!memory.empty()) add_ended(memory.data(), threads, counts);
  const std::uint64_t cpu_us = os::ended_children_cpu_us();
  counts.process_cpu_us = cpu_us - std::exchange(book_.ended_cpu_us, cpu_us);
  table.groups[run.group].folds.fold<RegistryFence>(shared.tenancy, std::bit_cast<GroupCounts::Words>(counts),
                                                    [memory] { os::clear_shared(memory); });
  if (!run.offered) run = {};
}

void Registry::ended(std::int32_t pid) noexcept {
  if (!is_open()) return;
  bool had_place = false;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    if (!book_.runs[i].taken || pid_at(i) != pid) continue;
    fold(i);
    had_place = true;
  }
  if (!had_place) forget_other_children();
}

void Registry::sweep() noexcept {
  if (!is_open()) return;
  for (std::size_t i = 0; i < kPlaces; ++i) {
    const std::int32_t pid = pid_at(i);
    if (pid > 0 && !os::process_exists(pid)) fold(i);
  }
}

void Registry::forget_other_children() noexcept { book_.ended_cpu_us = os::ended_children_cpu_us(); }

// Processes with a place.

std::span<std::byte> Registry::claim(std::uint32_t group, std::size_t threads) noexcept {
  if (!is_open()) return {};
  RegistryTable& table = RegistryTable::in(book_.region);
  for (std::size_t i = 0; i < kPlaces; ++i) {
    const Book::Run& run = book_.runs[i];
    if (!run.taken || !run.offered || run.group != group || run.threads < threads) continue;
    RegistryPlace& shared = table.places[i];
    const std::int32_t self = os::own_pid();
    if (!shared.tenancy.claim(static_cast<std::uint32_t>(self))) continue;
    shared.pid.store(self, std::memory_order_relaxed);
    shared.threads.store(static_cast<std::uint32_t>(threads), std::memory_order_relaxed);
    shared.tenancy.live(table.last_life.fetch_add(1, std::memory_order_relaxed) + 1);
    return memory_at(run.offset, run.bytes);
  }
  return {};
}

std::span<std::byte> Registry::memory_of(int place) const noexcept {
  return place != kNoPlace ? memory_at(book_.runs[place].offset, book_.runs[place].bytes) : std::span<std::byte>();
}

std::span<std::byte> Registry::keep_only(int place) noexcept {
  const std::span<std::byte> own = memory_of(place);
  if (!is_open() || !os::unmap_all_but(region(), own)) return {};
  book_.region = nullptr;
  return own;
}

bool Registry::write_only(std::span<std::byte> own) noexcept { return is_open() && os::protect_all_but(region(), own); }

}  // namespace sluice
