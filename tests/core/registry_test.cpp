// The processes of a server in memory that they share: totals by group, and what is left of processes that ended.
#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

#include "registry_rig.hpp"

using namespace sluice;
using namespace sluice::test;

TEST_CASE("registry: what living processes count is read by group and in total") {
  RegistryRig rig;
  const std::uint32_t one = rig.registry.group("one", Mode::kDaemon).index;
  const std::uint32_t two = rig.registry.group("two", Mode::kDaemon).index;
  CHECK(rig.registry.group("one", Mode::kDaemon).index == one);
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
  CHECK(first.counts.status_classes == std::array<std::uint64_t, 5>{0, 3, 0, 4, 0});
  CHECK(first.counts.input_bytes == 21);
  CHECK(first.counts.phases[index(Phase::kRequest)].total_us == 3 * 1500 + 4 * 3000);
  CHECK(first.counts.phases[index(Phase::kRequest)].buckets[Grid::bucket_of(1500)] == 3);
  CHECK(first.counts.phases[index(Phase::kQueue)].total_us == 400);
  CHECK(first.processes == 2);
  CHECK(first.process_starts == 2);
  CHECK(first.threads == 2);
  CHECK(first.threads_limit == 4);
  CHECK(first.resident_bytes > 100'000);
  CHECK(first.unlisted_processes == 0);
  CHECK(reading.groups[1].counts.output_bytes == 55);
  CHECK(reading.groups[1].counts.request_cpu_ns == 65);
  CHECK(reading.total.counts.request_count == 12);
  CHECK(reading.total.processes == 3);
  CHECK(broken_sum(reading.total.counts, kPhases).empty());
  for (const pid_t pid : pids) {
    RegistryRig::kill(pid);
    rig.reap(pid);
  }
}

TEST_CASE("registry: what a killed process had counted is its group's, once, and its place is used again") {
  RegistryRig rig;
  const std::uint32_t group = rig.registry.group("g", Mode::kDaemon).index;
  std::uint64_t served = 0;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    const pid_t pid = rig.start_serving(group, i, {.request_us = 100 * i});
    served += i;
    const ServerReading alive = rig.read();
    RegistryRig::kill(pid);
    const ServerReading dead = rig.read();
    rig.reap(pid);
    const ServerReading folded = rig.read();
    rig.registry.ended(pid);
    rig.registry.sweep();
    const ServerReading again = rig.read();
    for (const ServerReading* each : {&alive, &dead, &folded, &again}) {
      CHECK(each->total.counts.request_count == served);
      CHECK(broken_sum(each->total.counts, kPhases).empty());
      CHECK(each->total.process_starts == i);
    }
    CHECK(first_lower(alive.total.counts, dead.total.counts) == -1);
    CHECK(first_lower(dead.total.counts, folded.total.counts) == -1);
    CHECK(dead.total.processes == 1);
    CHECK(folded.total.processes == 0);
    CHECK(folded.total.threads == 0);
  }
  CHECK(RegistryTable::in(rig.book->region).places_used.load() == 1);
}

TEST_CASE("registry: a request in flight has an age, and dies with its process") {
  RegistryRig rig;
  const std::uint32_t group = rig.registry.group("g", Mode::kDaemon).index;
  const pid_t pid = rig.start(group, 1, [&](std::span<std::byte> memory) {
    Recorder recorder({.threads = 1, .mode = Mode::kDaemon, .memory = memory});
    Worker worker = recorder.attach();
    const Request slow = worker.begin(monotonic_ns() - 5'000'000'000);
    const Request inside = worker.begin();  // in the spill
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
  CHECK(reading.counts.status_classes[4] == 1);
  RegistryRig::kill(pid);
  rig.reap(pid);
  const GroupReading after = rig.read().total;
  CHECK(after.active_requests == 0);
  CHECK(after.longest_request_ns == 0);
  CHECK(after.counts.request_count == 1);
}

TEST_CASE("registry: requests inside others are counted, also when their process has ended") {
  RegistryRig rig;
  const std::uint32_t group = rig.registry.group("g", Mode::kDaemon).index;
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
    CHECK(counts.status_classes[2] == 3);
    CHECK(counts.phases[index(Phase::kRequest)].total_us == 6'000);
    CHECK(broken_sum(counts, kPhases).empty());
    if (ended) break;
    RegistryRig::kill(pid);
    rig.reap(pid);
  }
}

TEST_CASE("registry: the CPU time of a killed process is what the system counted, and never goes down") {
  RegistryRig rig;
  const std::uint32_t group = rig.registry.group("g", Mode::kDaemon).index;
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
  const std::uint64_t folded = rig.read().total.counts.process_cpu_us;
  rusage after{};
  ::getrusage(RUSAGE_CHILDREN, &after);
  const auto us = [](const rusage& usage) {
    return static_cast<std::uint64_t>((usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 +
                                      usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  CHECK_FALSE(lower);
  CHECK(dead >= seen);
  CHECK(folded >= dead);
  CHECK(folded == us(after) - us(before));
}

TEST_CASE("registry: processes claim the places offered, and those that find none are counted as unlisted") {
  RegistryRig rig;
  const std::uint32_t group = rig.registry.group("g", Mode::kEmbedded).index;
  rig.registry.offer(group, 2, 3, 2);
  rig.registry.offer(group, 2, 3, 2);  // the same once more, as at a restart
  std::vector<pid_t> pids;
  for (int i = 0; i < 4; ++i) {
    pids.push_back(start_child([&] {
      const std::span<std::byte> memory = rig.registry.claim(group, 2);
      if (!memory.empty() && !rig.registry.write_only(memory)) return 1;
      Recorder recorder({.threads = 2, .memory = memory});
      recorder.attach().begin().finish({});
      rig.signals->words[0].fetch_add(1);
      for (;;) ::pause();
      return 0;
    }));
    rig.registry.count_start(group);
  }
  rig.signals->wait_for(0, 4);
  const GroupReading reading = rig.read().total;
  CHECK(reading.processes == 3);  // there is no place at all for the fourth
  CHECK(reading.unlisted_processes == 1);
  CHECK(reading.counts.request_count == 2);
  CHECK(reading.process_starts == 4);
  for (const pid_t pid : pids) {
    RegistryRig::kill(pid);
    rig.reap(pid);
  }
  CHECK(rig.read().total.counts.request_count == 2);
  CHECK(in_child([&] { return rig.registry.claim(group, 2).empty() ? 1 : 0; }) == 0);
}

TEST_CASE("registry: a process that was killed as it took its place gives it back") {
  RegistryRig rig;
  const std::uint32_t group = rig.registry.group("g", Mode::kEmbedded).index;
  rig.registry.offer(group, 1, 1, 1);
  RegistryPlace& place = RegistryTable::in(rig.book->region).places[0];
  CHECK(in_child([&] { return place.tenancy.claim(static_cast<std::uint32_t>(::getpid())) ? 0 : 1; }) == 0);
  CHECK(rig.read().total.processes == 0);  // it was never to be read
  rig.registry.sweep();
  CHECK(in_child([&] { return rig.registry.claim(group, 1).empty() ? 1 : 0; }) == 0);
}

TEST_CASE("registry: where there is no room, a process records elsewhere and is counted as unlisted") {
  RegistryRig rig(std::size_t{16} << 20U);
  const std::uint32_t group = rig.registry.group("g", Mode::kDaemon).index;
  std::vector<int> places;
  std::size_t with_memory = 0;
  for (int i = 0; i < 40; ++i) {
    places.push_back(rig.registry.reserve(group, 50));
    REQUIRE(places.back() != Registry::kNoPlace);
    with_memory += rig.registry.memory_of(places.back()).empty() ? 0 : 1;
  }
  CHECK(with_memory > 10);
  CHECK(with_memory < 40);
  CHECK(rig.read().total.unlisted_processes == 40 - with_memory);
  rig.registry.cancel(places[3]);
  CHECK(!rig.registry.memory_of(rig.registry.reserve(group, 50)).empty());  // what was given back is given again
  CHECK(rig.registry.memory_of(rig.registry.reserve(group, 50)).empty());
}

TEST_CASE("registry: places do not overlap, whatever is given back and taken") {
  RegistryRig rig;
  const std::uint32_t group = rig.registry.group("g", Mode::kDaemon).index;
  std::vector<int> places;
  for (std::size_t i = 0; i < 200; ++i) {
    if (i % 3 == 2) {
      rig.registry.cancel(places[i / 2 % places.size()]);
      places.erase(places.begin() + static_cast<std::ptrdiff_t>(i / 2 % places.size()));
    }
    places.push_back(rig.registry.reserve(group, 1 + i * 7 % 20));
  }
  std::size_t overlaps = 0;
  for (const int a : places) {
    const auto one = rig.registry.memory_of(a);
    REQUIRE(one.size() >= Recorder::memory_bytes(1));
    overlaps += one.data() < rig.book->region + sizeof(RegistryTable) ? 1 : 0;
    for (const int b : places) {
      const auto other = rig.registry.memory_of(b);
      overlaps += a != b && one.data() < other.data() + other.size() && other.data() < one.data() + one.size() ? 1 : 0;
    }
  }
  CHECK(overlaps == 0);
}

TEST_CASE("registry: groups beyond the most there may be share the last one") {
  RegistryRig rig;
  for (std::size_t i = 0; i < Registry::kGroups; ++i) {
    const Registry::Group group = rig.registry.group(std::to_string(i), Mode::kDaemon);
    REQUIRE(group.index == i);
    REQUIRE_FALSE(group.shared);
  }
  const Registry::Group more = rig.registry.group("more", Mode::kDaemon);
  CHECK(more.shared);
  CHECK(more.index == Registry::kGroups - 1);
  CHECK_FALSE(rig.registry.group("3", Mode::kDaemon).shared);
}

TEST_CASE("registry: memory of another layout is not used") {
  RegistryRig rig;
  CHECK(rig.registry.open(1 << 24));
  RegistryTable::in(rig.book->region).layout ^= 1;
  CHECK_FALSE(rig.registry.open(1 << 24));
}

TEST_CASE("registry: a process with a place reaches no other, and one that reads writes no other") {
  RegistryRig rig;
  const std::uint32_t group = rig.registry.group("g", Mode::kDaemon).index;
  std::byte* const table = rig.book->region;
  const pid_t first = rig.start_serving(group, 1);
  std::byte* const foreign = rig.registry.memory_of(0).data();
  std::byte* const behind = table + rig.book->bytes - 1;
  for (std::byte* const forbidden : {table, foreign, behind}) {
    const pid_t pid = rig.start(group, 1, [=](std::span<std::byte> memory) {
      memory[0] = std::byte{1};
      ::signal(SIGSEGV, SIG_DFL);
      return static_cast<int>(*static_cast<volatile std::byte*>(forbidden));
    });
    CHECK(wait_for(pid) == 128 + SIGSEGV);
    rig.registry.ended(pid);
    CHECK(in_child([&] {
            const std::span<std::byte> own = rig.registry.memory_of(1);
            if (!rig.registry.write_only(own)) return 1;
            if (!rig.registry.read().ok()) return 2;
            ::signal(SIGSEGV, SIG_DFL);
            *static_cast<volatile std::byte*>(forbidden) = std::byte{1};
            return 3;
          }) == 128 + SIGSEGV);
  }
  RegistryRig::kill(first);
  rig.reap(first);
}

TEST_CASE("registry: what a forked application counts is not in its parent's place") {
  RegistryRig rig;
  const std::uint32_t group = rig.registry.group("g", Mode::kDaemon).index;
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
  const std::uint32_t group = rig.registry.group("g", Mode::kDaemon).index;
  const pid_t pid = rig.start_serving(group, 6);
  auto& slot = slots_in(rig.registry.memory_of(0).data(), 2).slots[0];
  slot.sequence.store(slot.sequence.load() + 1);
  CHECK(rig.read().total.counts.request_count == 6);
  RegistryRig::kill(pid);
  rig.reap(pid);
  CHECK(rig.read().total.counts.request_count == 6);
}

TEST_CASE("registry: a reading beside an end that nobody looks at is given up") {
  RegistryRig rig;
  const std::uint32_t group = rig.registry.group("g", Mode::kDaemon).index;
  const pid_t pid = rig.start_serving(group, 6);
  RegistryRig::kill(pid);
  REQUIRE(::waitpid(pid, nullptr, 0) == pid);
  CHECK(rig.registry.read().status().code() == absl::StatusCode::kUnavailable);
  rig.registry.sweep();
  CHECK(rig.read().total.counts.request_count == 6);
}
