// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "expected.hpp"
#include "phases.hpp"
#include "sluice/manual_clock.hpp"
#include "tests/catch.hpp"

namespace sluice::test {
using sluice::ManualClock;
using sluice::test::broken_identity;

namespace {

/// Serves one request of `us` on an idle worker.
void serve(Worker& worker, ManualClock& clock, std::uint64_t us, Completion done = {}) {
  Request request = worker.begin();
  clock.advance_us(us);
  request.finish(done);
}

Window whole_window(Reader& reader) {
  Window window = reader.drain().value();
  CHECK(broken_identity(window).empty());
  return window;
}

}  // namespace

TEST_CASE("recorder: no slots are refused") { CHECK_THROWS_AS(Recorder({.threads = 0}), std::invalid_argument); }

TEST_CASE("recorder: the five lines of its header work on the system clock") {
  Recorder recorder({.threads = 8});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  Request request = worker.begin();
  request.finish({.status = 200, .application_us = 1500, .request_us = 1700});
  const Result<Window> window = reader.drain();
  REQUIRE(window.ok());
  CHECK(broken_identity(*window).empty());
  CHECK(window->request_count == 1);
  CHECK(phase_of((*window), Phase::kApplication).total == 1500);
  CHECK(views::kQuarterOctaves.count(phase_of((*window), Phase::kRequest).buckets, 2) == 1);
  CHECK(window->threads_started == 1);
}

TEST_CASE("recorder: whatever is no HTTP status counts as 5xx") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  for (const int status : {0, 99, 600, -1, -200, 1000, 500, 599}) serve(worker, clock, 1, {.status = status});
  for (const int status : {100, 199, 200, 299, 300, 399, 400, 499}) serve(worker, clock, 1, {.status = status});
  CHECK(classes_of(whole_window(reader)) == std::array<std::uint64_t, 5>{2, 2, 2, 2, 8});
}

TEST_CASE("recorder: every field of a completion arrives in the window") {
  ManualClock clock;
  const Mode mode = GENERATE(Mode::kEmbedded, Mode::kDaemon);
  Recorder recorder({.threads = 2, .mode = mode, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  Completion done{.status = 204,
                  .server_us = 10'000,
                  .application_us = 1'250,
                  .request_us = 9'000,
                  .input_read_us = 999,
                  .output_write_us = 65'536'000,
                  .queue_us = 1'000,
                  .daemon_us = 3'000,
                  .cpu_ns = 4'321,
                  .input_bytes = 11,
                  .input_reads = 12,
                  .output_bytes = 13,
                  .output_writes = 14};
  done.gil_waits.add(2'000'000);
  done.gil_waits.add(999);
  serve(worker, clock, 777, done);

  test::Counts expected;
  expected.add(done, mode);
  const Window window = whole_window(reader);
  CHECK(mode_of(window) == mode);
  CHECK(expected.difference(test::Counts::of(window)) == "");
  CHECK(phase_of(window, Phase::kDaemon).observed() == (mode == Mode::kDaemon));
  CHECK(by_slot(window, 0, BySlot::kCpuNs) == 4'321);
  CHECK(by_slot(window, 0, BySlot::kMaxDurationNs) == 777'000);
  CHECK(window.slots[0].busy_ns == 777'000);
  CHECK(window.slots[1].completed == 0);
}

TEST_CASE("recorder: extremes are those of one window") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  for (const std::uint64_t us : {500U, 100U, 900U}) serve(worker, clock, us, {.request_us = us});
  const Window first = whole_window(reader);
  CHECK(phase_of(first, Phase::kRequest).min() == 100);
  CHECK(phase_of(first, Phase::kRequest).max() == 900);
  for (int i = 0; i < 4; ++i) {
    serve(worker, clock, 300, {.request_us = 300});
    const Window next = whole_window(reader);
    CHECK(phase_of(next, Phase::kRequest).min() == 300);
    CHECK(phase_of(next, Phase::kRequest).max() == 300);
    CHECK(by_slot(next, 0, BySlot::kMaxDurationNs) == 300'000);
  }
  CHECK_FALSE(phase_of(whole_window(reader), Phase::kRequest).observed());
}

TEST_CASE("recorder: GIL waits have extremes of single waits and buckets of each request's sum") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  Completion done;
  for (const std::uint64_t us : {700U, 300U, 600U}) done.gil_waits.add(us * 1000);
  serve(worker, clock, 1, done);
  serve(worker, clock, 1);
  const Window window = whole_window(reader);
  const HistogramView waits = phase_of(window, Phase::kGilWait);
  CHECK(waits_of(window) == 3);
  CHECK(waits.total == 1600);
  CHECK(waits.min() == 300);
  CHECK(waits.max() == 700);
  CHECK(views::kQuarterOctaves.count(waits.buckets, 0) == 1);
  CHECK(views::kQuarterOctaves.count(waits.buckets, 2) == 1);

  serve(worker, clock, 1);
  CHECK_FALSE(phase_of(whole_window(reader), Phase::kGilWait).observed());
}

TEST_CASE("recorder: each of several readers sees every request once, in its own windows") {
  ManualClock clock;
  Recorder recorder({.threads = 2, .clock = &clock});
  Reader one = recorder.add_reader();
  Reader two = recorder.add_reader();
  Worker worker = recorder.attach();
  serve(worker, clock, 10, {.request_us = 10});
  CHECK(whole_window(one).request_count == 1);
  serve(worker, clock, 20, {.request_us = 20});
  CHECK(whole_window(one).request_count == 1);
  serve(worker, clock, 30, {.request_us = 30});
  const Window all = whole_window(two);
  CHECK(all.request_count == 3);
  CHECK(phase_of(all, Phase::kRequest).min() == 10);
  CHECK(phase_of(all, Phase::kRequest).max() == 30);
  CHECK(all.elapsed_ns == 60'000);
  CHECK(all.slots[0].busy_ns == 60'000);
  const Window rest = whole_window(one);
  CHECK(rest.request_count == 1);
  CHECK(phase_of(rest, Phase::kRequest).min() == 30);
  CHECK(whole_window(two).request_count == 0);
}

TEST_CASE("recorder: a reader that leaves takes nothing from the others") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader stays = recorder.add_reader();
  Worker worker = recorder.attach();
  {
    Reader leaves = recorder.add_reader();
    serve(worker, clock, 5);
    CHECK(whole_window(leaves).request_count == 1);
    serve(worker, clock, 5);
  }
  CHECK(whole_window(stays).request_count == 2);
}

TEST_CASE("recorder: a drain into a window of the caller's gives the same and forgets what was in it") {
  ManualClock clock;
  Recorder recorder({.threads = 3, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  Window window;
  window.request_count = 99;
  window.sums.assign(3, 99);
  for (std::uint64_t count = 1; count < 5; ++count) {
    for (std::uint64_t i = 0; i < count; ++i) serve(worker, clock, 7, {.server_us = 7});
    REQUIRE(reader.drain(window).ok());
    CHECK(broken_identity(window).empty());
    CHECK(window.request_count == count);
    CHECK(window.slots.size() == 3);
    CHECK(phase_of(window, Phase::kServer).max() == 7);
    CHECK(window.elapsed_ns == count * 7'000);
  }
}

TEST_CASE("recorder: a request dropped without finish counts as 5xx, once") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  {
    Request dropped = worker.begin();
    Request moved = std::move(dropped);
    clock.advance_us(3);
  }
  const Window window = whole_window(reader);
  CHECK(window.request_count == 1);
  CHECK(classes_of(window)[4] == 1);
  CHECK(window.slots[0].busy_ns == 3'000);
}

TEST_CASE("recorder: finishing twice records once") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  Request request = worker.begin();
  request.finish({});
  request.finish({.status = 404});
  CHECK(classes_of(whole_window(reader)) == std::array<std::uint64_t, 5>{0, 1, 0, 0, 0});
}

TEST_CASE("recorder: a request that ends before it began has a duration of 0") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  worker.begin(clock.monotonic_ns()).finish({}, clock.monotonic_ns() - 500);
  clock.advance_us(10);
  const Window window = whole_window(reader);
  CHECK(window.slots[0].busy_ns == 0);
  CHECK(by_slot(window, 0, BySlot::kMaxDurationNs) == 0);
}

TEST_CASE("recorder: a request inside another on one worker is counted whole, in the overflow counters") {
  ManualClock clock;
  Recorder recorder({.threads = 2, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  Request outer = worker.begin();
  clock.advance_us(10);
  Request inner = worker.begin();
  CHECK(recorder.totals().active_requests == 2);
  clock.advance_us(10);
  inner.finish({.status = 404, .request_us = 10, .cpu_ns = 5});
  clock.advance_us(10);
  outer.finish({.request_us = 30, .cpu_ns = 9});
  const Window window = whole_window(reader);
  CHECK(window.request_count == 2);
  CHECK(classes_of(window) == std::array<std::uint64_t, 5>{0, 1, 0, 1, 0});
  CHECK(window.slots[0].completed == 2);
  CHECK(by_slot(window, 0, BySlot::kCpuNs) == 14);
  CHECK(window.slots[0].busy_ns == 30'000);
  CHECK(phase_of(window, Phase::kRequest).min() == 10);
  CHECK(recorder.totals().active_requests == 0);
  CHECK(recorder.totals().request_count == 2);
}

TEST_CASE("recorder: workers beyond the slots are counted with the last slot") {
  ManualClock clock;
  Recorder recorder({.threads = 2, .clock = &clock});
  Reader reader = recorder.add_reader();
  std::vector<Worker> workers;
  workers.reserve(4);
  for (int i = 0; i < 4; ++i) workers.push_back(recorder.attach());
  CHECK(workers[1].has_slot());
  CHECK_FALSE(workers[2].has_slot());
  CHECK(workers[3].slot() == 1);
  for (Worker& worker : workers) serve(worker, clock, 8, {.request_us = 8});
  const Window window = whole_window(reader);
  CHECK(window.request_count == 4);
  CHECK(window.slots[0].completed == 1);
  CHECK(window.slots[1].completed == 3);
  CHECK(window.slots[1].busy_ns == 24'000);
  CHECK(window.threads_started == 2);
  const ProcessTotals totals = recorder.totals();
  REQUIRE(totals.threads.size() == 2);
  CHECK(totals.threads[1].request_count == 3);
  CHECK(totals.request_busy_ns == 32'000);
}

TEST_CASE("recorder: the lowest free slot is reused first, and keeps its counts") {
  ManualClock clock;
  Recorder recorder({.threads = 4, .clock = &clock});
  Reader reader = recorder.add_reader();
  std::optional<Worker> zero = recorder.attach();
  std::optional<Worker> one = recorder.attach();
  std::optional<Worker> two = recorder.attach();
  CHECK(two->slot() == 2);
  serve(*zero, clock, 1);
  zero.reset();
  one.reset();
  Worker again = recorder.attach();
  CHECK(again.slot() == 0);
  CHECK(recorder.attach().slot() == 1);
  serve(again, clock, 1);
  const Window window = whole_window(reader);
  CHECK(window.slots[0].completed == 2);
  CHECK(window.threads_started == 3);
  CHECK(recorder.totals().threads[0].request_count == 2);
}

TEST_CASE("recorder: a slot can be asked for by name") {
  ManualClock clock;
  Recorder recorder({.threads = 4, .clock = &clock});
  Reader reader = recorder.add_reader();
  CHECK(recorder.attach(4).status().code() == StatusCode::kOutOfRange);
  {
    Worker third = recorder.attach(2).value();
    CHECK(third.slot() == 2);
    CHECK(recorder.attach(2).status().code() == StatusCode::kAlreadyExists);
    serve(third, clock, 1);
  }
  CHECK(recorder.attach(2).ok());
  const Window window = whole_window(reader);
  CHECK(window.slots[2].completed == 1);
  CHECK(window.threads_started == 1);
  const ProcessTotals totals = recorder.totals();
  REQUIRE(totals.threads.size() == 1);
  CHECK(totals.threads[0].thread_id == 3);
}

TEST_CASE("recorder: a request in flight over many windows gives each its part") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  clock.advance_us(5);
  Request request = worker.begin();
  std::uint64_t parts = 0;
  for (std::uint64_t i = 1; i <= 10; ++i) {
    clock.advance_us(i == 1 ? 3 : 100 * i);
    const Window window = whole_window(reader);
    CHECK(window.slots[0].in_flight);
    CHECK(window.slots[0].busy_ns == (i == 1 ? 3'000 : i * 100'000));
    parts += window.slots[0].busy_ns;
    CHECK(window.slots[0].current_elapsed_ns == parts);
    CHECK(window.request_count == 0);
    CHECK(window.threads_active() == 1);
  }
  clock.advance_us(17);
  request.finish({});
  clock.advance_us(17);
  const Window last = whole_window(reader);
  CHECK(last.slots[0].busy_ns == 17'000);
  CHECK(by_slot(last, 0, BySlot::kMaxDurationNs) == parts + 17'000);
  CHECK_FALSE(last.slots[0].in_flight);
  CHECK(last.slots[0].current_elapsed_ns == 0);
  CHECK(whole_window(reader).slots[0].busy_ns == 0);
}

TEST_CASE("recorder: a window of zero length is whole and has rates of 0") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  Request request = worker.begin();
  request.finish({});
  const Window window = whole_window(reader);
  CHECK(window.elapsed_ns == 0);
  CHECK(window.start_time == window.stop_time);
  CHECK(window.sample_period == 0.0);
  CHECK(window.request_count == 1);
  CHECK(window.request_throughput() == 0.0);
  CHECK(window.capacity_utilization() == 0.0);
}

TEST_CASE("recorder: a request in flight when a reader is added is busy from then on and counts where it ends") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Worker worker = recorder.attach();
  serve(worker, clock, 50);
  Request request = worker.begin();
  clock.advance_us(100);
  Reader reader = recorder.add_reader();
  clock.advance_us(30);
  const Window first = whole_window(reader);
  CHECK(first.request_count == 0);
  CHECK(first.slots[0].busy_ns == 30'000);
  CHECK(first.slots[0].current_elapsed_ns == 130'000);
  clock.advance_us(20);
  request.finish({.request_us = 150});
  const Window second = whole_window(reader);
  CHECK(second.request_count == 1);
  CHECK(second.slots[0].busy_ns == 20'000);
  CHECK(by_slot(second, 0, BySlot::kMaxDurationNs) == 150'000);
  CHECK(recorder.totals().request_count == 2);
}

TEST_CASE("recorder: a request that is recorded with an earlier end than a window saw evens out with the next") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  Request request = worker.begin();
  clock.advance_us(40);
  const std::uint64_t stop_ns = clock.monotonic_ns();
  clock.advance_us(10);
  CHECK(whole_window(reader).slots[0].busy_ns == 50'000);
  request.finish({}, stop_ns);
  clock.advance_us(10);
  CHECK(whole_window(reader).slots[0].busy_ns == 0);
  serve(worker, clock, 30);
  CHECK(whole_window(reader).slots[0].busy_ns == 20'000);
}

TEST_CASE("recorder: lifetime totals never go down, whoever comes and goes") {
  ManualClock clock;
  Recorder recorder({.threads = 3, .clock = &clock});
  std::vector<std::uint64_t> before(4, 0);
  std::uint64_t busy_ns = 0;
  const auto check = [&] {
    const ProcessTotals totals = recorder.totals();
    std::uint64_t sum = 0;
    for (const ThreadTotals& thread : totals.threads) {
      CHECK(thread.request_count >= before[thread.thread_id]);
      before[thread.thread_id] = thread.request_count;
      sum += thread.request_count;
    }
    CHECK(totals.request_count == sum);
    CHECK(totals.request_busy_ns >= busy_ns);
    busy_ns = totals.request_busy_ns;
  };
  Worker one = recorder.attach();
  Request outer = one.begin();
  serve(one, clock, 4);  // inside another: counted by overflow counters and listed with the only slot
  check();
  Worker two = recorder.attach();  // overflow requests stay where they were listed
  check();
  serve(two, clock, 4);
  outer.finish({});
  check();
  Worker three = recorder.attach();
  Worker four = recorder.attach();
  serve(four, clock, 4);
  check();
  three = Worker();
  check();
  CHECK(before == std::vector<std::uint64_t>{0, 2, 1, 1});
}

TEST_CASE("recorder: totals count what is in flight and what was before any reader") {
  ManualClock clock;
  Recorder recorder({.threads = 2, .clock = &clock});
  const double start = recorder.totals().restart_time;
  Worker worker = recorder.attach();
  serve(worker, clock, 1'000'000);
  Request request = worker.begin();
  clock.advance_us(500'000);
  const ProcessTotals totals = recorder.totals();
  CHECK(totals.restart_time == start);
  CHECK(totals.current_time == Approx(start + 1.5));
  CHECK(totals.running_seconds() == Approx(1.5));
  CHECK(totals.request_count == 1);
  CHECK(totals.active_requests == 1);
  CHECK(totals.request_busy_ns == 1'500'000'000);
}

TEST_CASE("recorder: a worker can be moved and given back early") {
  ManualClock clock;
  Recorder recorder({.threads = 1, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker first = recorder.attach();
  Worker second = std::move(first);
  serve(second, clock, 1);
  second = Worker();
  Worker third = recorder.attach();
  CHECK(third.has_slot());
  serve(third, clock, 1);
  CHECK(whole_window(reader).slots[0].completed == 2);
}

TEST_CASE("recorder: both fences record alike") {
  ManualClock clock;
  const bool allow_membarrier = GENERATE(true, false);
  Recorder recorder({.clock = &clock, .allow_membarrier = allow_membarrier});
  if (!allow_membarrier) CHECK_FALSE(recorder.asymmetric());
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  for (std::uint64_t i = 0; i < 10; ++i) {
    serve(worker, clock, i, {.request_us = i});
    CHECK(phase_of(whole_window(reader), Phase::kRequest).max() == i);
  }
}

}  // namespace sluice::test
