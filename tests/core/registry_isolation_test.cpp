// SPDX-License-Identifier: Apache-2.0
// Tests what a process with a slot can access, and how its numbers can affect the figures of others.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "random.hpp"
#include "registry_rig.hpp"
#include "sluice/clock.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

/// Reads a byte, and writes it if `write`. Returns 3, unless the process is killed by SIGSEGV or SIGBUS.
int touch(const std::byte* address, bool write) {
  for (const int signal_number : {SIGSEGV, SIGBUS}) ::signal(signal_number, SIG_DFL);
  auto* const at = const_cast<volatile std::byte*>(address);
  const std::byte seen = *at;
  if (write) *at = seen;
  return 3;
}

/// Returns true if the process holds a descriptor of a memory file of the registry.
bool holds_memory_file() {
  char target[256];
  for (int i = 0; i < 256; ++i) {
    const std::string path = "/proc/self/fd/" + std::to_string(i);
    const ssize_t size = ::readlink(path.c_str(), target, sizeof target - 1);
    if (size > 0 && std::string(target, static_cast<std::size_t>(size)).find("memfd:") != std::string::npos)
      return true;
  }
  return false;
}

std::size_t writable_regions() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);) {
    count += line.find("memfd:sluice") != std::string::npos && line.find("rw-s") != std::string::npos ? 1 : 0;
  }
  return count;
}

/// Tries every way to get more access to a region than the parent gave. Returns 0 if all fail, else the number of the
/// one that succeeded.
int escape(std::span<std::byte> own, const std::byte* readable) {
  auto* const page = const_cast<std::byte*>(readable);
  if (::mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0) return 10;
  if (::mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == 0) return 11;
  if (::madvise(page, 4096, MADV_REMOVE) == 0) return 12;
  // An extended mapping reaches what follows in its file: here, nothing.
  void* const grown = ::mremap(own.data(), own.size(), own.size() + 4096, MREMAP_MAYMOVE);
  if (grown != MAP_FAILED) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(touch(static_cast<std::byte*>(grown) + own.size(), true));
    if (wait_for(child) == 3) return 13;
  }
  if (holds_memory_file()) return 14;
  return 0;
}

}  // namespace

TEST_CASE("registry isolation: a recorder other than the one that its memory is reserved for is refused") {
  RegistryRig rig;
  const Registry::SlotId slot = rig.reserve({.group = rig.group("g")}, 2);
  const pid_t pid = start_child([&] {
    const std::span<std::byte> memory = rig.registry.isolate_to(slot);
    const auto is_refused = [&](std::size_t threads, Mode mode) {
      try {
        Recorder({.threads = threads, .mode = mode, .memory = memory}).attach().begin().finish({});
      } catch (const std::invalid_argument&) {
        return true;
      }
      return false;
    };
    if (!is_refused(1, Mode::kDaemon) || !is_refused(3, Mode::kDaemon) || !is_refused(2, Mode::kEmbedded)) return 1;
    return is_refused(2, Mode::kDaemon) ? 2 : 0;
  });
  rig.registry.started(slot, pid);
  CHECK(wait_for(pid) == 0);
  rig.registry.ended(pid);
  CHECK(rig.read().total.counts.request_count == 1);
}

TEST_CASE("registry isolation: a process maps its own region alone, or may read the others and write none") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g");
  const pid_t neighbour = rig.start_serving(group, 1);
  const Registry::SlotId next =
      rig.reserve({.group = group}, 2);  // inherited by the next child, because it is reserved
  const auto* const table = reinterpret_cast<const std::byte*>(rig.state->readable_table);
  const auto* const written_table = reinterpret_cast<const std::byte*>(rig.state->table);
  const auto& foreign = rig.state->slots[0];
  const std::byte* const reserved = rig.state->slots[static_cast<std::uint32_t>(next)].writable;
  const auto isolated = [&](const std::function<int(std::span<std::byte>)>& body) {
    const pid_t pid = rig.start(group, 2, body);
    const int code = wait_for(pid);
    rig.registry.ended(pid);
    return code;
  };
  for (const std::byte* const forbidden :
       {table, written_table, foreign.readable, static_cast<const std::byte*>(foreign.writable), reserved}) {
    CHECK(isolated([=](std::span<std::byte> own) {
            own[0] = std::byte{1};
            return touch(forbidden, false);
          }) == 128 + SIGSEGV);
  }
  CHECK(isolated([](std::span<std::byte>) { return static_cast<int>(writable_regions()); }) == 1);

  const auto entered = [&](const std::function<int(std::span<std::byte>)>& body) {
    const Registry::SlotId slot = rig.reserve({.group = group}, 2);
    const pid_t pid = start_child([&] { return body(rig.registry.enter(slot)); });
    rig.registry.started(slot, pid);
    const int code = wait_for(pid);
    rig.registry.ended(pid);
    return code;
  };
  for (const std::byte* const forbidden : {table, foreign.readable}) {
    CHECK(entered([=](std::span<std::byte>) { return touch(forbidden, false); }) == 3);
    CHECK(entered([=](std::span<std::byte>) { return touch(forbidden, true); }) == 128 + SIGSEGV);
    CHECK(entered([=](std::span<std::byte> own) { return escape(own, forbidden); }) == 0);
  }
  for (const std::byte* const forbidden : {written_table, static_cast<const std::byte*>(foreign.writable), reserved}) {
    CHECK(entered([=](std::span<std::byte>) { return touch(forbidden, false); }) == 128 + SIGSEGV);
  }
  CHECK(entered([](std::span<std::byte>) { return static_cast<int>(writable_regions()); }) == 1);
  CHECK(entered([&](std::span<std::byte>) { return rig.registry.read().ok() ? 0 : 1; }) == 0);
  // A process that was forked for another purpose inherits the regions that are reserved at that moment, and no more.
  CHECK(in_child([] { return static_cast<int>(writable_regions()); }) == 1);
  RegistryRig::kill(neighbour);
  rig.reap(neighbour);
}

TEST_CASE("registry isolation: whatever a process writes, the figures of others are theirs and nothing goes down") {
  for (const int fill : {0x00, 0x01, 0x2C, 0x7F, 0x80, 0xFF}) {
    CAPTURE(fill);
    RegistryRig rig;
    const Registry::GroupId honest = rig.group("honest");
    const Registry::GroupId hostile = rig.group("hostile");
    const pid_t served = rig.start_serving(honest, 5, {.request_us = 1'000});
    const pid_t attacker = rig.start(hostile, 2, [&](std::span<std::byte> own) {
      std::memset(own.data(), fill, own.size());
      rig.signals->words[0].store(1);
      for (;;) ::pause();
      return 0;
    });
    rig.signals->wait_for(0, 1);
    GroupCounts last;
    for (const bool ended : {false, true}) {
      const ServerReading reading = rig.read();
      const GroupReading& own = group_in(reading, honest);
      CHECK(own.counts.request_count == 5);
      CHECK(phase_of(own.counts.counts(), Phase::kRequest).total == 5'000);
      CHECK(own.processes == 1);
      CHECK(own.active_requests == 0);
      CHECK(broken_sum(own.counts, kPhases).empty());
      // The attacker's counts are bounded by its age, so the total has room for others.
      const std::vector<std::uint64_t> words = words_of(reading.total.counts);
      for (const std::uint64_t word : words) CHECK(word < std::numeric_limits<std::uint64_t>::max() / 1024);
      CHECK(reading.total.counts.request_count >= 5);
      CHECK(first_lower(last, own.counts) == -1);
      last = own.counts;
      if (ended) break;
      RegistryRig::kill(attacker);
      rig.reap(attacker);
    }
    // The attacker's region is zeroed for the next process.
    const pid_t next = rig.start_serving(honest, 2);
    CHECK(group_in(rig.read(), honest).counts.request_count == 7);
    for (const pid_t pid : {served, next}) {
      RegistryRig::kill(pid);
      rig.reap(pid);
    }
    CHECK(group_in(rig.read(), honest).counts.request_count == 7);
  }
}

TEST_CASE("registry isolation: sums stay at their largest value") {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  CHECK(saturated_sum(kMost - 1, 1) == kMost);
  CHECK(saturated_sum(kMost, 1) == kMost);
  CHECK(saturated_sum(kMost, kMost) == kMost);
  CHECK(saturated_sum(2, 3) == 5);
  GroupCounts counts{.request_count = kMost - 2, .schema = &schema_info<Completion>, .sums = {kMost - 1, 7}};
  const GroupCounts same = counts;
  counts.add(same);
  CHECK(counts.request_count == kMost);
  CHECK(counts.sums == std::vector<std::uint64_t>{kMost, 14});
}

TEST_CASE("registry isolation: a region is never given to another group or another owner") {
  RegistryRig rig(std::size_t{64} << 20U, {{{.group = Registry::GroupId{0}, .owner = 7}, 2, 1},
                                           {{.group = Registry::GroupId{1}, .owner = 7}, 2, 1}});
  for (const std::string_view name : {"first", "second", "third"}) static_cast<void>(rig.group(name));
  const auto slot_of = [&](const Registry::Tenant& tenant) {
    const Registry::SlotId slot = rig.reserve(tenant, 2);
    const bool has_memory = !rig.registry.memory_of(slot).empty();
    rig.registry.cancel(slot);
    return has_memory ? std::optional(slot) : std::nullopt;
  };
  const auto first = slot_of({.group = Registry::GroupId{0}, .owner = 7});
  const auto second = slot_of({.group = Registry::GroupId{1}, .owner = 7});
  CHECK(first.has_value());
  CHECK(second.has_value());
  CHECK(first != second);
  CHECK(slot_of({.group = Registry::GroupId{0}, .owner = 7}) == first);
  CHECK(slot_of({.group = Registry::GroupId{0}, .owner = 8}) == std::nullopt);
  CHECK(slot_of({.group = Registry::GroupId{2}, .owner = 7}) == std::nullopt);
}

TEST_CASE("registry isolation: a copy that survives its process writes no region of another group") {
  RegistryRig rig;
  const Registry::GroupId hostile = rig.group("hostile");
  const Registry::GroupId honest = rig.group("honest");
  // The bare system call does not run the handlers that replace the memory in forked children.
  const pid_t attacker = rig.start(hostile, 2, [&](std::span<std::byte> own) {
    if (::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) != 0) return 0;
    rig.signals->words[1].store(static_cast<std::uint64_t>(::getpid()));
    while (rig.signals->words[0].load() == 0) ::usleep(1'000);
    std::memset(own.data(), 1, own.size());
    rig.signals->words[0].store(2);
    return 0;
  });
  CHECK(wait_for(attacker) == 0);
  rig.registry.ended(attacker);
  const pid_t served = rig.start_serving(honest, 10);
  rig.signals->words[0].store(1);
  rig.signals->wait_for(0, 2);
  CHECK(group_in(rig.read(), honest).counts.request_count == 10);
  RegistryRig::kill(served);
  rig.reap(served);
}

TEST_CASE("registry isolation: counts of a living process are added to sums of any size") {
  constexpr std::uint64_t kHalf = std::uint64_t{1} << 63U;
  const auto& layout = detail::kMemoryLayout<Completion>;
  const SharedMemory memory(Recorder::memory_bytes(1));
  Recorder recorder({.threads = 1, .mode = Mode::kDaemon, .memory = memory.span()});
  Worker worker = recorder.attach();
  Random random(seed());
  for (int i = 0; i < 50; ++i) worker.begin().finish(any_completion(random, Mode::kDaemon));
  const std::size_t sums = layout.schema->sums_in[mode_number(Mode::kDaemon)];
  const bool hostile = GENERATE(false, true);
  if (hostile) {
    const auto bank = detail::slots_in(memory.span().data(), layout, 1).slot(0).bank(0);
    auto* const counters = const_cast<detail::ProductionAtomics::Counter*>(bank.sums);
    for (std::size_t i = 0; i < sums; ++i) counters[i].set(random() % 4 != 0 ? random() >> random() % 64 : UINT64_MAX);
  }
  const Region region{
      .layout = layout, .memory = memory.span().data(), .threads = 1, .mode = mode_number(Mode::kDaemon)};
  const auto read_onto = [&](std::vector<std::uint64_t> words) {
    GroupReading reading;
    add_living(region, monotonic_ns(), UINT64_MAX, reading, words);  // this age bounds nothing
    return words;
  };
  const std::size_t size = GroupCounts::kOwnWords + layout.schema->sums;
  const std::vector<std::uint64_t> counted = read_onto(std::vector<std::uint64_t>(size));
  CHECK(counted[kRequestCount] == 50);
  const auto check = [&](const std::vector<std::uint64_t>& before) {
    std::vector<std::uint64_t> expected(size);
    std::transform(before.begin(), before.end(), counted.begin(), expected.begin(), saturated_sum);
    CHECK(read_onto(before) == expected);
  };
  std::vector<std::uint64_t> small(size);
  for (std::uint64_t& word : small) word = any_size(random);
  check(small);
  for (std::size_t i = 0; i < size; ++i) {  // one sum at a time would wrap around, or just does not
    for (const std::uint64_t large : {~counted[i], ~counted[i] + 1, kHalf, UINT64_MAX}) {
      std::vector<std::uint64_t> before = small;
      before[i] = large;
      check(before);
    }
  }
}

}  // namespace sluice::test
