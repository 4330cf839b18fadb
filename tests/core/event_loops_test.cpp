// SPDX-License-Identifier: Apache-2.0
// Tests recorders of event loops: the age of the oldest request in flight, what happens beyond the table of starts, and
// that there are no figures of threads.
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "phases.hpp"
#include "pinned.hpp"
#include "processes/registry_region.hpp"
#include "registry_rig.hpp"
#include "shared_memory.hpp"
#include "sluice/detail/in_flight_table.hpp"
#include "sluice/detail/policy.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/encode/server.hpp"
#include "sluice/manual_clock.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

/// A recorder of the same schema as that of the adapter, which has no event loops.
using LoopRecorder = sluice::Recorder<Completion>;

/// Reads a recorder's memory as another process does.
GroupReading reading_of(const SharedMemory& memory, std::uint64_t now_ns) {
  std::vector<std::uint64_t> words(kGroupWordsMost);
  GroupReading reading;
  add_living({detail::kMemoryLayout<Completion>, memory.span().data(), 1, 0}, now_ns, now_ns, reading, words);
  return reading;
}

}  // namespace

TEST_CASE("event loops: the oldest request in flight is known, in windows, totals and readings of other processes") {
  ManualClock clock;
  const SharedMemory memory(LoopRecorder::memory_bytes(1));
  LoopRecorder recorder({.clock = &clock, .event_loops = true, .memory = memory.span()});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  CHECK_FALSE(worker.has_slot());
  std::vector<Request> requests;
  for (int i = 0; i < 5; ++i) {
    requests.push_back(worker.begin());
    clock.advance_ns(1000);
  }
  const auto oldest_is = [&](std::uint64_t age_ns) {
    const Result<Window> window = reader.drain();
    REQUIRE(window.ok());
    CHECK(window->event_loops);
    CHECK(window->oldest_request_ns == age_ns);
    CHECK(window->untracked_requests == 0);
    CHECK(window->threads_started == 0);
    CHECK(window->threads_active() == 0);
    CHECK(window->capacity_utilization() == 0.0);
    const ProcessTotals totals = recorder.totals();
    CHECK(totals.oldest_request_ns == age_ns);
    CHECK(totals.request_busy_ns == 0);
    CHECK(totals.threads.empty());
    const GroupReading reading = reading_of(memory, clock.monotonic_ns());
    CHECK(reading.event_loops);
    CHECK(reading.longest_request_ns == age_ns);
    CHECK(reading.active_requests == totals.active_requests);
    CHECK(reading.threads == 0);
  };
  oldest_is(5000);
  requests[1].finish({});
  oldest_is(5000);
  requests[0].finish({});
  oldest_is(3000);
  requests[2].cancel();
  oldest_is(2000);
  requests.clear();  // each is recorded as failed
  oldest_is(0);
  CHECK(recorder.totals().request_count == 4);
}

TEST_CASE("event loops: requests beyond the table are counted as untracked, and their places are used again") {
  const Pinned pinned(0);  // one table
  ManualClock clock;
  LoopRecorder recorder({.clock = &clock, .event_loops = true});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach_shared();
  std::vector<Request> requests;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < detail::kTrackedMost + 10; ++i) {
      requests.push_back(worker.begin());
      clock.advance_ns(10);
    }
    const Result<Window> window = reader.drain();
    REQUIRE(window.ok());
    CHECK(window->active_requests == detail::kTrackedMost + 10);
    CHECK(window->untracked_requests == 10);
    CHECK(window->oldest_request_ns == 10 * (detail::kTrackedMost + 10));
    requests.clear();
    CHECK(reader.drain()->untracked_requests == 0);
    CHECK(recorder.totals().oldest_request_ns == 0);
  }
}

TEST_CASE("event loops: a request takes the next free entry, and none if all that it looks at are taken") {
  using Table = detail::InFlightTable<detail::StdAtomics>;
  Table table;
  CHECK(table.oldest_start_ns() == UINT64_MAX);
  for (std::uint32_t i = 0; i < Table::kProbes; ++i) CHECK(table.take(detail::kTrackedMost - 1, 100 - i) != 0);
  CHECK(table.take(detail::kTrackedMost - 1, 1) == 0);
  CHECK(table.take(detail::kTrackedMost, 50) == Table::kProbes);
  CHECK(table.oldest_start_ns() == 50);
  table.give_back(Table::kProbes);
  CHECK(table.oldest_start_ns() == 100 - Table::kProbes + 1);
  table.give_back(detail::kTrackedMost);
  CHECK(table.take(detail::kTrackedMost - 1, 7) == detail::kTrackedMost);
}

TEST_CASE("event loops: threads begin and finish requests, and nothing is left in flight") {
  LoopRecorder recorder({.event_loops = true});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach_shared();
  constexpr int kThreads = 3;
  constexpr int kEach = 3000;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      std::vector<Request> requests;
      for (int i = 0; i < kEach; ++i) {
        requests.push_back(worker.begin());
        if (requests.size() == 300) requests.clear();
      }
    });
  }
  std::uint64_t count = 0;
  for (int i = 0; i < 50; ++i) count += reader.drain()->request_count;
  for (std::thread& thread : threads) thread.join();
  const Result<Window> window = reader.drain();
  REQUIRE(window.ok());
  CHECK(count + window->request_count == std::uint64_t{kThreads} * kEach);
  CHECK(window->active_requests == 0);
  CHECK(window->untracked_requests == 0);
  CHECK(window->oldest_request_ns == 0);
}

TEST_CASE("event loops: a recorder of threads tracks no starts of its shared requests, and says so") {
  ManualClock clock;
  LoopRecorder recorder({.threads = 2, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker own = recorder.attach();
  Worker shared = recorder.attach_shared();
  const Request first = shared.begin();
  clock.advance_ns(100);
  const Request second = own.begin();
  clock.advance_ns(100);
  const Result<Window> window = reader.drain();
  REQUIRE(window.ok());
  CHECK_FALSE(window->event_loops);
  CHECK(window->oldest_request_ns == 100);
  CHECK(window->untracked_requests == 1);
}

TEST_CASE(
    "event loops: a group of theirs and the total have no figures of threads, also once its processes have ended") {
  RegistryRig rig;
  const pid_t pid = rig.start(rig.group("loops"), 2, [&](std::span<std::byte> memory) {
    LoopRecorder recorder({.threads = 2, .mode = mode_number(Mode::kDaemon), .event_loops = true, .memory = memory});
    recorder.attach_shared().begin().finish({});
    rig.signals->words[0].store(1);
    for (;;) ::pause();
    return 0;
  });
  rig.signals->wait_for(0, 1);
  const auto check = [&] {
    const ServerReading reading = rig.read();
    CHECK(reading.total.counts.request_count == 1);
    std::string text;
    for (const GroupReading& each : {reading.groups[0], reading.total}) {
      CHECK(each.event_loops);
      encode::fill(text, [&](std::span<char> out) { return encode::exposition({.processes = &each}, {}, out); });
      CHECK(text.find("untracked_requests") != std::string::npos);
      CHECK(text.find("threads") == std::string::npos);
      CHECK(text.find("busy") == std::string::npos);
    }
    encode::fill(text, [&](std::span<char> out) { return encode::server_json(reading, out); });
    CHECK(text.find("\"threads") == std::string::npos);
    CHECK(text.find("\"busy_seconds") == std::string::npos);
  };
  check();
  RegistryRig::kill(pid);
  rig.reap(pid);
  check();
}

}  // namespace sluice::test
