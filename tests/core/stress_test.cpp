// SPDX-License-Identifier: Apache-2.0
// Runs many threads on the recorder as it ships. Each test ends when all threads are done, with exact equality.
#include "stress.hpp"
#include "phases.hpp"

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/catch.hpp"

namespace sluice::test {

namespace {

void serve(Worker& worker, const Mix& mix, Tally& tally, std::uint64_t requests) {
  for (std::uint64_t i = 0; i < requests; ++i) {
    const std::size_t which = tally.next();
    Request request = worker.begin();
    request.finish(mix[which]);
  }
}

/// Drains without pause until it is told to stop, then once more.
void drain_until(Reader& reader, const std::atomic<bool>& stop, Seen& seen) {
  Window window;
  double last = 0.0;
  for (bool more = true; more;) {
    more = !stop.load();
    if (const Status status = reader.drain(window); !status.ok()) {
      seen.broken = status.message();
      return;
    }
    if (last != 0.0 && window.start_time != last) seen.broken = "a gap between windows";
    last = window.stop_time;
    seen.add(window);
  }
}

/// Reads lifetime totals without pause. No count goes down, and the parts add up to the whole.
void watch_totals(Recorder& recorder, const std::atomic<bool>& stop, std::string& broken) {
  ProcessTotals before = recorder.totals();
  while (!stop.load() && broken.empty()) {
    const ProcessTotals now = recorder.totals();
    if (now.request_count < before.request_count) broken = "request count went down";
    if (now.request_busy_ns < before.request_busy_ns) broken = "busy time went down";
    if (now.threads.size() < before.threads.size()) broken = "a thread went away";
    std::uint64_t sum = 0;
    for (const ThreadTotals& thread : now.threads) sum += thread.request_count;
    if (sum != now.request_count) broken = "threads do not add up";
    for (std::size_t i = 0; i < before.threads.size() && broken.empty(); ++i) {
      for (const ThreadTotals& thread : now.threads) {
        if (thread.thread_id == before.threads[i].thread_id && thread.request_count < before.threads[i].request_count) {
          broken = "a thread's count went down";
        }
      }
    }
    before = now;
  }
}

/// Runs `jobs` threads of `job(number, tally)`, and returns the sum of their tallies.
template <class Job>
Tally run(std::size_t jobs, Job job) {
  std::vector<Tally> tallies;
  for (std::size_t i = 0; i < jobs; ++i) tallies.emplace_back(i * 7);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < jobs; ++i) threads.emplace_back([&, i] { job(i, tallies[i]); });
  for (std::thread& thread : threads) thread.join();
  Tally all(0);
  for (const Tally& tally : tallies) all.add(tally);
  return all;
}

}  // namespace

TEST_CASE("stress: several writers against a spinning reader") {
  const bool allow_membarrier = GENERATE(true, false);
  const std::size_t writers = GENERATE(1U, 2U, 5U);
  const std::uint64_t from = seed();
  CAPTURE(from, allow_membarrier, writers);
  const Mix mix(from, Mode::kDaemon);
  Recorder recorder({.threads = writers, .mode = Mode::kDaemon, .allow_membarrier = allow_membarrier});
  Reader reader = recorder.add_reader();
  std::atomic<bool> stop{false};
  Seen seen;
  std::thread drainer([&] { drain_until(reader, stop, seen); });
  const Tally tally = run(writers, [&](std::size_t, Tally& own_tally) {
    Worker worker = recorder.attach();
    serve(worker, mix, own_tally, scaled(12'000'000) / writers);
  });
  stop = true;
  drainer.join();
  CHECK(seen.broken == "");
  CHECK(mix.counts(tally.served()).difference(seen.counts) == "");
  CHECK(seen.windows > 10);
  CHECK(recorder.totals().request_count == seen.counts.requests);
  CHECK(recorder.totals().active_requests == 0);
}

TEST_CASE("stress: threads born and dying, and more threads than slots") {
  const bool allow_membarrier = GENERATE(true, false);
  const std::uint64_t from = seed();
  CAPTURE(from, allow_membarrier);
  const Mix mix(from, Mode::kEmbedded);
  Recorder recorder({.threads = 3, .allow_membarrier = allow_membarrier});
  Reader reader = recorder.add_reader();
  std::atomic<bool> stop{false};
  Seen seen;
  std::string broken;
  std::thread drainer([&] { drain_until(reader, stop, seen); });
  std::thread watcher([&] { watch_totals(recorder, stop, broken); });
  const Tally tally = run(5, [&](std::size_t, Tally& own_tally) {
    for (std::uint64_t births = scaled(6'000); births > 0; --births) {
      std::thread([&] {
        Worker worker = recorder.attach();
        serve(worker, mix, own_tally, births % 40);
        Request outer = worker.begin();
        serve(worker, mix, own_tally, births % 3);
        outer.finish(mix[own_tally.next()]);
      }).join();
    }
  });
  stop = true;
  drainer.join();
  watcher.join();
  CHECK(seen.broken == "");
  CHECK(broken == "");
  CHECK(mix.counts(tally.served()).difference(seen.counts) == "");
  CHECK(recorder.totals().request_count == seen.counts.requests);
}

TEST_CASE("stress: a slot that appears while a reader drains is in the next window whole") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  const Mix mix(from, Mode::kEmbedded);
  constexpr std::size_t kSlots = 8;
  for (std::uint64_t round = scaled(4'000); round > 0; --round) {
    Recorder recorder({.threads = kSlots});
    Reader reader = recorder.add_reader();
    std::atomic<bool> stop{false};
    Seen seen;
    std::thread drainer([&] { drain_until(reader, stop, seen); });
    Tally tally(round);
    std::vector<Worker> workers;
    for (std::size_t i = 0; i < kSlots; ++i) {
      workers.push_back(recorder.attach());
      serve(workers.back(), mix, tally, round % 4 + 1);
    }
    stop = true;
    drainer.join();
    if (!seen.broken.empty()) FAIL(seen.broken);
    const std::string difference = mix.counts(tally.served()).difference(seen.counts);
    if (!difference.empty()) FAIL(difference);
  }
}

TEST_CASE("stress: several readers at once each see every request") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  const Mix mix(from, Mode::kEmbedded);
  Recorder recorder({.threads = 2});
  Reader one = recorder.add_reader();
  Reader two = recorder.add_reader();
  std::atomic<bool> stop{false};
  Seen seen[2];
  Seen shared[2];
  Reader both = recorder.add_reader();
  std::vector<std::thread> drainers;
  drainers.emplace_back([&] { drain_until(one, stop, seen[0]); });
  drainers.emplace_back([&] { drain_until(two, stop, seen[1]); });
  for (Seen& half : shared) {
    drainers.emplace_back([&] {
      while (!stop.load()) half.add(both.drain().value());
    });
  }
  drainers.emplace_back([&] {
    while (!stop.load()) {
      Reader passing = recorder.add_reader();
      static_cast<void>(passing.drain());
    }
  });
  const Tally tally = run(2, [&](std::size_t, Tally& own_tally) {
    Worker worker = recorder.attach();
    serve(worker, mix, own_tally, scaled(3'000'000));
  });
  stop = true;
  for (std::thread& drainer : drainers) drainer.join();
  shared[0].add(both.drain().value());
  const Counts expected = mix.counts(tally.served());
  for (const Seen& observation : seen) {
    CHECK(observation.broken == "");
    CHECK(expected.difference(observation.counts) == "");
  }
  for (const Seen& half : shared) CHECK(half.broken == "");
  shared[0].counts.add(shared[1].counts);
  CHECK(expected.difference(shared[0].counts) == "");
}

TEST_CASE("stress: busy time adds up to the durations of the requests") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  const Mix mix(from, Mode::kEmbedded);
  Recorder recorder({.threads = 2});
  Reader reader = recorder.add_reader();
  std::atomic<bool> stop{false};
  Seen seen;
  std::thread drainer([&] { drain_until(reader, stop, seen); });
  std::atomic<std::uint64_t> served_ns{0};
  std::atomic<std::uint64_t> late_ns{0};  // time from a writer's reading of the clock to the end of its record
  static_cast<void>(run(2, [&](std::size_t, Tally& own_tally) {
    Worker worker = recorder.attach();
    std::uint64_t sum_ns = 0;
    std::uint64_t late_sum_ns = 0;
    for (std::uint64_t i = scaled(1'000'000); i > 0; --i) {
      Request request = worker.begin();
      const std::uint64_t start_ns = request.start_ns();
      const std::uint64_t stop_ns = monotonic_ns();
      request.finish(mix[own_tally.next()], stop_ns);
      sum_ns += stop_ns - start_ns;
      late_sum_ns += monotonic_ns() - stop_ns;
    }
    served_ns += sum_ns;
    late_ns += late_sum_ns;
  }));
  stop = true;
  drainer.join();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  seen.add(reader.drain().value());
  CHECK(seen.broken == "");
  CHECK(recorder.totals().request_busy_ns >= served_ns);
  // A window may end between a writer's reading of the clock and its record. It then shows the slot as busy for too
  // long, and the following requests are credited with less time. No request follows the last one, so `late_ns` may
  // remain.
  CHECK(seen.busy_ns >= served_ns);
  CHECK(seen.busy_ns <= served_ns + late_ns);
}

}  // namespace sluice::test
