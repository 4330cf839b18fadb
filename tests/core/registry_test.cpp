// SPDX-License-Identifier: Apache-2.0
// Tests totals by group of processes that share memory, also after processes have ended.
#include <sys/resource.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "registry_rig.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

TEST_CASE("registry: what living processes count is read by group and in total") {
  RegistryRig rig;
  const Registry::GroupId one = rig.group("one");
  const Registry::GroupId two = rig.group("two");
  CHECK(rig.group("one") == one);
  const std::vector<pid_t> pids = {
      rig.start_serving(one, 3, {.status = 200, .request_us = 1500, .input_bytes = 7}),
      rig.start_serving(one, 4, {.status = 404, .request_us = 3000, .queue_us = 100}),
      rig.start_serving(two, 5, {.status = 200, .cpu_ns = 13, .output_bytes = 11}),
  };
  const ServerReading reading = rig.read();
  REQUIRE(reading.groups.size() == 2);
  const GroupReading& first = reading.groups[0];
  CHECK(first.name == "one");
  CHECK(first.counts.request_count == 7);
  CHECK(classes_of(first.counts) == std::array<std::uint64_t, 5>{0, 3, 0, 4, 0});
  CHECK(first.counts.get<&Completion::input_bytes>() == 21);
  CHECK(phase_of(first.counts.counts(), Phase::kRequest).total == 3 * 1500 + 4 * 3000);
  CHECK(phase_of(first.counts.counts(), Phase::kRequest).buckets[BucketLayout::bucket_of(1500)] == 3);
  CHECK(phase_of(first.counts.counts(), Phase::kQueue).total == 400);
  CHECK(first.processes == 2);
  CHECK(first.process_starts == 2);
  CHECK(first.threads == 2);
  CHECK(first.threads_limit == 4);
  CHECK(first.resident_bytes > 100'000);
  CHECK(first.unlisted_processes == 0);
  CHECK(reading.groups[1].counts.get<&Completion::output_bytes>() == 55);
  CHECK(reading.groups[1].counts.get<&Completion::cpu_ns>() == 65);
  CHECK(reading.total.counts.request_count == 12);
  CHECK(reading.total.processes == 3);
  CHECK(broken_sum(reading.total.counts, kPhases).empty());
  for (const pid_t pid : pids) {
    RegistryRig::kill(pid);
    rig.reap(pid);
  }
}

TEST_CASE("registry: a reading has the buckets of all epochs, while a process records and after it has ended") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g");
  constexpr std::array<std::uint64_t, 6> kTimes{40, 3'000'000, 700, 9, 20'000, 700};
  const pid_t pid = rig.start(group, 1, [&](std::span<std::byte> memory) {
    Recorder recorder({.threads = 1, .mode = Mode::kDaemon, .memory = memory});
    Reader reader = recorder.add_reader();
    Worker worker = recorder.attach();
    for (const std::uint64_t us : kTimes) {
      worker.begin().finish({.request_us = us});
      static_cast<void>(reader.drain());
    }
    rig.signals->words[0].store(1);
    for (;;) ::pause();
    return 0;
  });
  rig.signals->wait_for(0, 1);
  const auto check = [&] {
    const ServerReading server = rig.read();
    const auto request = phase_of(group_in(server, group).counts.counts(), Phase::kRequest);
    for (const std::uint64_t us : kTimes) CHECK(request.buckets[BucketLayout::bucket_of(us)] == (us == 700 ? 2 : 1));
    CHECK(broken_sum(group_in(server, group).counts, kPhases).empty());
  };
  check();
  RegistryRig::kill(pid);
  rig.reap(pid);
  check();
}

TEST_CASE("registry: a reading lists the live processes of each group with numbers that add up to those of the group") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g");
  const std::vector<pid_t> pids = {rig.start_serving(group, 3, {.request_us = 10}), rig.start_serving(group, 4)};
  rig.start(group, 2, [&](std::span<std::byte> memory) {
    Recorder recorder({.threads = 2, .mode = Mode::kDaemon, .memory = memory});
    Worker worker = recorder.attach();
    Request request = worker.begin();
    rig.signals->words[0].store(1);
    for (;;) ::pause();
    return 0;
  });
  rig.signals->wait_for(0, 1);
  const ServerReading server = rig.read();
  CHECK(server.start_time > 1e9);
  CHECK(server.total.live.empty());
  const GroupReading& reading = group_in(server, group);
  REQUIRE(reading.live.size() == 3);
  CHECK(reading.live[0].pid == pids[0]);
  CHECK(reading.live[0].request_count == 3);
  CHECK(reading.live[1].request_count == 4);
  CHECK(reading.live[0].active_ns == 0);
  const ProcessReading& busy = reading.live[2];
  CHECK(busy.active_requests == 1);
  CHECK(busy.active_ns > 0);
  CHECK(busy.active_ns == busy.longest_request_ns);
  CHECK(busy.age_ns > 0);
  CHECK(busy.host_memory.empty());
  ProcessReading sum;
  for (const ProcessReading& process : reading.live) {
    CHECK(process.listed);
    CHECK(process.age_ns < 600'000'000'000);
    sum.request_count += process.request_count;
    sum.busy_ns += process.busy_ns;
    sum.process_cpu_us += process.process_cpu_us;
    sum.threads += process.threads;
    sum.threads_limit += process.threads_limit;
    sum.active_ns += process.active_ns;
    sum.resident_bytes += process.resident_bytes;
  }
  CHECK(sum.request_count == reading.counts.request_count);
  CHECK(sum.busy_ns == reading.counts.busy_ns);
  CHECK(sum.process_cpu_us == reading.counts.process_cpu_us);
  CHECK(sum.threads == reading.threads);
  CHECK(sum.threads_limit == reading.threads_limit);
  CHECK(sum.active_ns == reading.active_ns);
  CHECK(sum.resident_bytes == reading.resident_bytes);
  RegistryRig::kill(pids[0]);
  rig.reap(pids[0]);
  const ServerReading later = rig.read();
  CHECK(group_in(later, group).live.size() == 2);
  CHECK(group_in(later, group).counts.request_count == 7);
  CHECK(later.start_time == server.start_time);
  for (const pid_t pid : {pids[1], busy.pid}) {
    RegistryRig::kill(pid);
    rig.reap(pid);
  }
}

TEST_CASE("registry: a host has memory behind that of the recorder, which readers see and which is zeroed at the end") {
  constexpr std::size_t kHostBytes = 5000;
  RegistryRig rig(std::size_t{64} << 20U, {{{.group = Registry::GroupId{0}}, 2, 1, kHostBytes}});
  const Registry::GroupId group = rig.group("g");
  const auto start_with_host_memory = [&](std::byte mark) {
    const absl::StatusOr<Registry::SlotId> slot = rig.registry.reserve({.group = group}, 2, kHostBytes);
    REQUIRE(slot.ok());
    REQUIRE_FALSE(rig.registry.memory_of(*slot).empty());
    const std::uint64_t before = rig.signals->words[0].load();
    const pid_t pid = start_child([&] {
      const std::span<std::byte> memory = rig.registry.isolate_to(*slot);
      const std::span<std::byte> host = memory.subspan(Recorder::memory_bytes(2));
      const bool was_zero = std::all_of(host.begin(), host.end(), [](std::byte byte) { return byte == std::byte{0}; });
      if (host.size() < kHostBytes || !was_zero) return 1;
      host[kHostBytes - 1] = mark;
      rig.signals->words[0].fetch_add(1);
      for (;;) ::pause();
      return 0;
    });
    rig.registry.started(*slot, pid);
    rig.signals->wait_for(0, before + 1);
    return pid;
  };
  for (const std::byte mark : {std::byte{7}, std::byte{8}}) {
    const pid_t pid = start_with_host_memory(mark);
    const ServerReading server = rig.read();
    const std::span<const std::byte> seen = group_in(server, group).live.at(0).host_memory;
    REQUIRE(seen.size() >= kHostBytes);
    CHECK(seen[kHostBytes - 1] == mark);
    RegistryRig::kill(pid);
    rig.reap(pid);
  }
}

TEST_CASE("registry: what a killed process had counted is its group's, once, and its slot is used again") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g");
  std::uint64_t served = 0;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const pid_t pid = rig.start_serving(group, i, {.request_us = 100 * i});
    served += i;
    const ServerReading alive = rig.read();
    RegistryRig::kill(pid);
    const ServerReading dead = rig.read();
    rig.reap(pid);
    const ServerReading retired = rig.read();
    rig.registry.ended(pid);
    rig.registry.reap_missing();
    const ServerReading again = rig.read();
    for (const ServerReading* reading : {&alive, &dead, &retired, &again}) {
      CHECK(reading->total.counts.request_count == served);
      CHECK(broken_sum(reading->total.counts, kPhases).empty());
      CHECK(reading->total.process_starts == i);
    }
    CHECK(first_lower(alive.total.counts, dead.total.counts) == -1);
    CHECK(first_lower(dead.total.counts, retired.total.counts) == -1);
    CHECK(dead.total.processes == 1);
    CHECK(retired.total.processes == 0);
    CHECK(retired.total.threads == 0);
  }
  CHECK(rig.state->readable_table->slots_used.load() == 1);
}

TEST_CASE("registry: a request in flight has an age, and dies with its process") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g");
  const pid_t pid = rig.start(group, 1, [&](std::span<std::byte> memory) {
    Recorder recorder({.threads = 1, .mode = Mode::kDaemon, .memory = memory});
    Worker worker = recorder.attach();
    const Request slow = worker.begin(monotonic_ns() - 5'000'000'000);
    const Request inside = worker.begin();  // counted by overflow counters
    worker.begin().finish({.status = 500});
    rig.signals->words[0].store(1);
    for (;;) ::pause();
    return 0;
  });
  rig.signals->wait_for(0, 1);
  const GroupReading reading = rig.read().total;
  CHECK(reading.active_requests == 2);
  CHECK(reading.longest_request_ns > 5'000'000'000);
  CHECK(reading.longest_request_ns < 65'000'000'000);
  CHECK(reading.counts.request_count == 1);
  CHECK(classes_of(reading.counts)[4] == 1);
  RegistryRig::kill(pid);
  rig.reap(pid);
  const GroupReading after = rig.read().total;
  CHECK(after.active_requests == 0);
  CHECK(after.longest_request_ns == 0);
  CHECK(after.counts.request_count == 1);
}

TEST_CASE("registry: requests inside others are counted, also when their process has ended") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g");
  const pid_t pid = rig.start(group, 1, [&](std::span<std::byte> memory) {
    Recorder recorder({.threads = 1, .mode = Mode::kDaemon, .memory = memory});
    Reader reader = recorder.add_reader();
    Worker worker = recorder.attach();
    Request outer = worker.begin();
    for (int i = 0; i < 3; ++i) {
      worker.begin().finish({.status = 302, .request_us = 2'000});
      if (!reader.drain().ok()) return 1;
    }
    outer.finish({});
    rig.signals->words[0].store(1);
    for (;;) ::pause();
    return 0;
  });
  rig.signals->wait_for(0, 1);
  for (const bool ended : {false, true}) {
    CAPTURE(ended);
    const GroupCounts counts = rig.read().total.counts;
    CHECK(counts.request_count == 4);
    CHECK(classes_of(counts)[2] == 3);
    CHECK(phase_of(counts.counts(), Phase::kRequest).total == 6'000);
    CHECK(broken_sum(counts, kPhases).empty());
    if (ended) break;
    RegistryRig::kill(pid);
    rig.reap(pid);
  }
}

TEST_CASE("registry: the CPU time of a killed process is what the system counted, and never goes down") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g");
  rusage before{};
  ::getrusage(RUSAGE_CHILDREN, &before);
  const pid_t pid = rig.start(group, 1, [](std::span<std::byte>) {
    for (;;) static_cast<void>(monotonic_ns());
    return 0;
  });
  std::uint64_t seen = 0;
  bool lower = false;
  while (seen < 50'000) {
    const std::uint64_t now = rig.read().total.counts.process_cpu_us;
    lower = lower || now < seen;
    seen = now;
  }
  RegistryRig::kill(pid);
  const std::uint64_t dead = rig.read().total.counts.process_cpu_us;
  rig.reap(pid);
  const std::uint64_t retired = rig.read().total.counts.process_cpu_us;
  rusage after{};
  ::getrusage(RUSAGE_CHILDREN, &after);
  const auto us = [](const rusage& usage) {
    return static_cast<std::uint64_t>((usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 +
                                      usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  CHECK_FALSE(lower);
  CHECK(dead >= seen);
  CHECK(retired >= dead);
  CHECK(retired == us(after) - us(before));
}

TEST_CASE(
    "registry: a process that finds no region is counted as unlisted, and one that comes later uses a region again") {
  RegistryRig rig(std::size_t{64} << 20U, demands_of({0}, 2));
  CHECK(rig.registry.pre_allocate(demands_of({0}, 2)).ok());  // the same demands again, as at a restart
  const Registry::GroupId group = rig.group("g", Mode::kEmbedded);
  std::vector<pid_t> pids;
  for (int i = 0; i < 3; ++i) {
    const Registry::SlotId slot = rig.reserve({.group = group}, 2);
    pids.push_back(start_child([&] {
      Recorder recorder({.threads = 2, .memory = rig.registry.enter(slot)});
      recorder.attach().begin().finish({});
      rig.signals->words[0].fetch_add(1);
      for (;;) ::pause();
      return 0;
    }));
    rig.registry.started(slot, pids.back());
  }
  rig.signals->wait_for(0, 3);
  const GroupReading reading = rig.read().total;
  CHECK(reading.processes == 3);
  CHECK(reading.unlisted_processes == 1);
  CHECK(reading.counts.request_count == 2);
  CHECK(reading.process_starts == 3);
  for (const pid_t pid : pids) {
    RegistryRig::kill(pid);
    rig.reap(pid);
  }
  CHECK(rig.read().total.counts.request_count == 2);
  CHECK_FALSE(rig.registry.memory_of(rig.reserve({.group = group}, 2)).empty());
}

TEST_CASE("registry: processes that may start find free regions, however many run") {
  RegistryRig rig(std::size_t{64} << 20U, demands_of({0}, 2));
  const Registry::GroupId group = rig.group("g");
  std::vector<pid_t> pids;
  const auto start = [&] {
    const Registry::SlotId slot = rig.reserve({.group = group}, 2);
    pids.push_back(start_child([] {
      for (;;) ::pause();
      return 0;
    }));
    rig.registry.started(slot, pids.back());
    return !rig.registry.memory_of(slot).empty();
  };
  for (std::uint32_t generation = 1; generation <= 4; ++generation) {
    CHECK(rig.registry.pre_allocate(demands_of({0}, 2)).ok());
    CHECK(start());
    CHECK(rig.state->slots_used == generation + 1);
  }
  CHECK(start());
  CHECK_FALSE(start());
  for (const pid_t pid : pids) {
    RegistryRig::kill(pid);
    rig.reap(pid);
  }
}

TEST_CASE("registry: a reserved slot is nobody's until its process has started, and can be given back") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g", Mode::kEmbedded);
  const Registry::SlotId first = rig.reserve({.group = group}, 2);
  CHECK(rig.reserve({.group = group}, 2) != first);
  CHECK(rig.read().total.processes == 0);
  rig.registry.cancel_reserved();
  CHECK(rig.reserve({.group = group}, 2) == first);
  rig.registry.cancel(first);
  CHECK(rig.reserve({.group = group}, 2) == first);
}

TEST_CASE("registry: regions are made for all demands together, and no more than fit") {
  RegistryRig rig(Recorder::memory_bytes(50) * 4,
                  {{{.group = Registry::GroupId{0}}, 1, 2}, {{.group = Registry::GroupId{0}}, 50, 3}});
  const Registry::GroupId group = rig.group("g");
  std::size_t large = 0;
  std::size_t all = 0;
  for (std::uint32_t i = 0; i < rig.state->slots_used; ++i) {
    all += 1;
    large += rig.state->slots[i].bytes >= Recorder::memory_bytes(50) ? 1 : 0;
  }
  CHECK(large == 3);
  CHECK(all == 5);
  const Registry::SlotId small = rig.reserve({.group = group}, 1);
  CHECK(rig.registry.memory_of(small).size() == Recorder::memory_bytes(1));  // the smallest that is large enough
  for (int i = 0; i < 3; ++i) CHECK_FALSE(rig.registry.memory_of(rig.reserve({.group = group}, 50)).empty());
  CHECK(rig.registry.memory_of(rig.reserve({.group = group}, 50)).empty());
  CHECK(rig.registry.pre_allocate({{{.group = Registry::GroupId{0}}, 50, 40}}).code() ==
        absl::StatusCode::kResourceExhausted);
  CHECK(rig.state->allocated_bytes <= rig.state->max_bytes);
}

TEST_CASE("registry: a process that was forked before a region was made does not answer without it") {
  RegistryRig rig(std::size_t{64} << 20U, demands_of({0}, 1));
  const Registry::GroupId group = rig.group("g");
  const Registry::SlotId slot = rig.reserve({.group = group}, 2);
  const pid_t reader = start_child([&] {
    static_cast<void>(rig.registry.enter(slot));
    rig.signals->wait_for(0, 1);
    if (rig.registry.read().status().code() != absl::StatusCode::kUnavailable) return 1;
    rig.signals->words[1].store(1);
    rig.signals->wait_for(0, 2);
    return rig.registry.read().ok() ? 0 : 2;
  });
  rig.registry.started(slot, reader);
  CHECK(rig.registry.pre_allocate(demands_of({0}, 2)).ok());
  const pid_t late = rig.start_serving(group, 3);
  CHECK(rig.read().total.counts.request_count == 3);
  rig.signals->words[0].store(1);
  rig.signals->wait_for(1, 1);
  RegistryRig::kill(late);
  rig.reap(late);
  rig.signals->words[0].store(2);
  CHECK(wait_for(reader) == 0);
}

TEST_CASE("registry: groups beyond the most there may be share the last one") {
  RegistryRig rig;
  for (std::size_t i = 0; i < Registry::kGroups; ++i) {
    const auto group = rig.registry.group(std::to_string(i), mode_number(Mode::kDaemon));
    REQUIRE(group.ok());
    REQUIRE(static_cast<std::uint32_t>(group->id) == i);
    REQUIRE_FALSE(group->shared);
  }
  const auto more = rig.registry.group("more", mode_number(Mode::kDaemon));
  REQUIRE(more.ok());
  CHECK(more->shared);
  CHECK(static_cast<std::uint32_t>(more->id) == Registry::kGroups - 1);
  CHECK_FALSE(rig.registry.group("3", mode_number(Mode::kDaemon))->shared);
}

TEST_CASE("registry: a group of a mode that no recorder has is refused") {
  RegistryRig rig;
  CHECK(rig.registry.group("g", kModes).status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("registry: memory of another layout is not used") {
  RegistryRig rig;
  CHECK(rig.registry.open(1 << 24).ok());
  rig.state->table->layout ^= 1;
  CHECK(rig.registry.open(1 << 24).code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("registry: what a forked application counts is not in its parent's region") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g");
  const pid_t pid = rig.start(group, 1, [&](std::span<std::byte> memory) {
    Recorder recorder({.threads = 1, .mode = Mode::kDaemon, .memory = memory});
    Worker worker = recorder.attach();
    worker.begin().finish({});
    const int child = in_child([&] {
      for (int i = 0; i < 100; ++i) worker.begin().finish({});
      return recorder.totals().request_count == 100 ? 0 : 1;
    });
    rig.signals->words[0].store(1);
    return child;
  });
  CHECK(wait_for(pid) == 0);
  rig.registry.ended(pid);
  CHECK(rig.read().total.counts.request_count == 1);
}

TEST_CASE("registry: a writer that stands still inside a record keeps no reader waiting") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g");
  const pid_t pid = rig.start_serving(group, 6, {.request_us = 700});
  const auto array =
      detail::slots_in(rig.registry.memory_of(Registry::SlotId{0}).data(), detail::kMemoryLayout<Completion>, 2);
  auto& slot = array.slot(0).header();
  slot.sequence.store(slot.sequence.load() + 1);
  // As if the record had reset the extremes and not yet kept them: they tell no bucket.
  for (const std::size_t which : {0U, 1U}) {
    const auto bank = array.slot(0).bank(which);
    for (const auto* extremes : {bank.extremes, bank.earlier}) {
      for (std::size_t i = 0; i < schema_info<Completion>.extremes; ++i) {
        const_cast<detail::ProductionAtomics::Counter&>(extremes[i]).set(0);
      }
    }
  }
  const ServerReading reading = rig.read();
  CHECK(reading.total.counts.request_count == 6);
  CHECK(phase_of(reading.total.counts.counts(), Phase::kRequest).buckets[BucketLayout::bucket_of(700)] == 6);
  CHECK(broken_sum(reading.total.counts, kPhases).empty());
  RegistryRig::kill(pid);
  rig.reap(pid);
  CHECK(rig.read().total.counts.request_count == 6);
}

TEST_CASE("registry: a reading beside an end that nobody looks at is given up") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g");
  const pid_t pid = rig.start_serving(group, 6);
  RegistryRig::kill(pid);
  REQUIRE(::waitpid(pid, nullptr, 0) == pid);
  CHECK(rig.registry.read().status().code() == absl::StatusCode::kUnavailable);
  rig.registry.reap_missing();
  CHECK(rig.read().total.counts.request_count == 6);
}

}  // namespace sluice::test
