// SPDX-License-Identifier: Apache-2.0
// Tests that the baselines of the benchmarks count the same as the recorder, so that a comparison with them is fair.
#include <cstddef>
#include <cstdint>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "bench/atomic_baseline.hpp"
#include "bench/floor.hpp"
#include "bench/lock_by_slot_baseline.hpp"
#include "bench/locked_baseline.hpp"
#include "expected.hpp"
#include "phases.hpp"
#include "random.hpp"
#include "sluice/manual_clock.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

/// Returns the first difference between two windows over the same time, except for wall-clock and CPU times.
std::string difference(const Window& one, const Window& other) {
  if (one.elapsed_ns != other.elapsed_ns) return "elapsed time";
  if (one.slots.size() != other.slots.size()) return "number of slots";
  for (std::size_t i = 0; i < one.slots.size(); ++i) {
    const SlotWindow& a = one.slots[i];
    const SlotWindow& b = other.slots[i];
    const std::string slot = " of slot " + std::to_string(i);
    if (a.completed != b.completed) return "completed" + slot;
    if (a.busy_ns != b.busy_ns) return "busy time" + slot;
    if (by_slot(one, i, BySlot::kCpuNs) != by_slot(other, i, BySlot::kCpuNs)) return "CPU time" + slot;
    if (by_slot(one, i, BySlot::kMaxDurationNs) != by_slot(other, i, BySlot::kMaxDurationNs))
      return "longest request" + slot;
    if (a.in_flight != b.in_flight) return "request in flight" + slot;
    if (a.current_elapsed_ns != b.current_elapsed_ns) return "age of the request in flight" + slot;
  }
  return Counts::of(one).difference(Counts::of(other));
}

Window drained(Reader& reader) {
  Result<Window> window = reader.drain();
  REQUIRE(window.ok());
  return *std::move(window);
}

}  // namespace

TEST_CASE("baseline: the floor counts a random sequence of requests as the recorder does") {
  const Mode mode = GENERATE(Mode::kEmbedded, Mode::kDaemon);
  Random random(seed());
  ManualClock clock;
  Recorder recorder({.threads = 1, .mode = mode, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  bench::Floor floor(mode);
  const std::uint64_t start_ns = clock.monotonic_ns();
  Counts expected;
  for (int i = 0; i < 1'000; ++i) {
    Request request = worker.begin();
    floor.begin(clock.monotonic_ns());
    clock.advance_ns(any_size(random, 36));
    const Completion done = any_completion(random, mode);
    request.finish(done);
    floor.finish(done, clock.monotonic_ns());
    expected.add(done, mode);
  }
  Window window = floor.window();
  window.elapsed_ns = clock.monotonic_ns() - start_ns;
  CHECK(expected.difference(Counts::of(window)) == "");
  CHECK(difference(drained(reader), window) == "");
}

namespace {

/// Compares a baseline with the recorder over a random sequence of begins, ends and drains. `end(slot, done, now_ns)`
/// and `drain(now_ns, window)` call the baseline. Durations are odd, so that none is on a boundary of a bucket.
template <class Baseline, class End>
void compare_windows(Baseline& baseline, Mode mode, std::size_t slots, std::uint64_t end_bits, ManualClock& clock,
                     Recorder& recorder, End end) {
  Random random(seed());
  Reader reader = recorder.add_reader();
  std::vector<Worker> workers;
  for (std::size_t i = 0; i < slots; ++i) workers.push_back(recorder.attach());
  std::vector<std::optional<Request>> requests(slots);
  for (int step = 0; step < 10'000; ++step) {
    clock.advance_ns(any_size(random, 30));
    if (random() % 8 == 0) {
      Window window;
      baseline.drain(clock.monotonic_ns(), window);
      REQUIRE(difference(drained(reader), window) == "");
      continue;
    }
    const std::size_t slot = random() % slots;
    if (requests[slot]) {
      Completion done = any_completion(random, mode);
      done.server_us |= end_bits;
      done.application_us |= end_bits;
      done.request_us |= end_bits;
      done.input_read_us |= end_bits;
      done.output_write_us |= end_bits;
      if (mode == Mode::kDaemon) {
        done.queue_us |= end_bits;
        done.daemon_us |= end_bits;
      }
      if (end_bits != 0) {
        done.gil_waits = {};
        done.gil_waits.add((any_size(random, 36) | end_bits) * 1'000);
      }
      requests[slot]->finish(done);
      requests[slot].reset();
      end(slot, done);
    } else {
      requests[slot].emplace(workers[slot].begin());
      baseline.begin(slot, clock.monotonic_ns());
    }
  }
}

/// Runs threads that begin and finish requests in a slot each while the main thread drains.
template <class Serve, class Drain>
Counts served_by_threads(std::uint64_t per_thread, Serve serve, Drain drain) {
  constexpr std::size_t kSlots = 2;
  std::latch ready(kSlots + 1);
  std::vector<std::thread> threads;
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    threads.emplace_back([&, slot] {
      ready.arrive_and_wait();
      for (std::uint64_t i = 0; i < per_thread; ++i) serve(slot);
    });
  }
  Window total = empty_window(kSlots);
  const auto add = [&] {
    Window window;
    drain(window);
    total.merge_counts(window);
  };
  ready.arrive_and_wait();
  for (int i = 0; i < 200; ++i) add();
  for (std::thread& thread : threads) thread.join();
  add();
  return Counts::of(total);
}

const Completion kDone{.application_us = 1500, .cpu_ns = 7, .output_bytes = 3};

Counts expected_of_threads(std::uint64_t per_thread) {
  Counts expected;
  expected.add(kDone, Mode::kDaemon, 2 * per_thread);
  return expected;
}

}  // namespace

TEMPLATE_TEST_CASE("baseline: a locked recorder gives the windows that the recorder gives", "", bench::LockedRecorder,
                   bench::LockedSecondsRecorder) {
  const Mode mode = GENERATE(Mode::kEmbedded, Mode::kDaemon);
  constexpr bool kExact = std::is_same_v<TestType, bench::LockedRecorder>;
  ManualClock clock;
  Recorder recorder({.threads = 3, .mode = mode, .clock = &clock});
  TestType locked(3, mode, clock.monotonic_ns());
  // In seconds a duration on a boundary may fall on either side, and only the sum of a request's waits is kept.
  compare_windows(locked, mode, 3, kExact ? 0 : 1, clock, recorder, [&](std::size_t slot, const Completion& done) {
    locked.enter(slot, clock.monotonic_ns());
    locked.finish(slot, done, clock.monotonic_ns());
  });
  Window last;
  locked.drain(clock.monotonic_ns(), last);
  CHECK(last.resources.memory_rss > 0);
}

TEST_CASE("baseline: the integral of busy time of a locked recorder is the sum of its requests' durations") {
  bench::LockedRecorder locked(2, Mode::kEmbedded, 1'000);
  locked.begin(0, 1'100);
  locked.begin(1, 1'200);
  locked.finish(0, {}, 1'500);
  CHECK(locked.busy_ns() == 400 + 300);
  locked.finish(1, {}, 1'600);
  CHECK(locked.busy_ns() == 400 + 400);
}

TEST_CASE("baseline: locks by slot give the windows that the recorder gives, while nothing else runs") {
  const Mode mode = GENERATE(Mode::kEmbedded, Mode::kDaemon);
  ManualClock clock;
  Recorder recorder({.threads = 3, .mode = mode, .clock = &clock});
  struct Elapsed : bench::LockBySlotRecorder {
    using LockBySlotRecorder::LockBySlotRecorder;
    std::uint64_t cut_ns = 0;
    void drain(std::uint64_t now_ns, Window& window) {
      LockBySlotRecorder::drain(now_ns, window);
      window.elapsed_ns = now_ns - std::exchange(cut_ns, now_ns);
    }
  } by_slot(3, mode);
  by_slot.cut_ns = clock.monotonic_ns();
  compare_windows(by_slot, mode, 3, 0, clock, recorder,
                  [&](std::size_t slot, const Completion& done) { by_slot.finish(slot, done, clock.monotonic_ns()); });
}

TEST_CASE("baseline: the locked recorder loses nothing between threads and drains") {
  const std::uint64_t per_thread = scaled(400'000);
  bench::LockedRecorder locked(2, Mode::kDaemon, 1);
  const Counts seen = served_by_threads(
      per_thread,
      [&](std::size_t slot) {
        locked.begin(slot, 1);
        locked.enter(slot, 1);
        locked.finish(slot, kDone, 2);
      },
      [&](Window& window) { locked.drain(2, window); });
  CHECK(expected_of_threads(per_thread).difference(seen) == "");
}

TEST_CASE("baseline: locks by slot lose nothing between threads and drains") {
  const std::uint64_t per_thread = scaled(400'000);
  bench::LockBySlotRecorder by_slot(2, Mode::kDaemon);
  const Counts seen = served_by_threads(
      per_thread,
      [&](std::size_t slot) {
        by_slot.begin(slot, 1);
        by_slot.finish(slot, kDone, 2);
      },
      [&](Window& window) { by_slot.drain(2, window); });
  CHECK(expected_of_threads(per_thread).difference(seen) == "");
}

TEST_CASE("baseline: shared atomic counters lose nothing between threads") {
  const std::uint64_t per_thread = scaled(200'000);
  bench::AtomicRecorder atomics(2, Mode::kDaemon);
  std::vector<std::thread> threads;
  for (std::size_t slot = 0; slot < 2; ++slot) {
    threads.emplace_back([&, slot] {
      for (std::uint64_t i = 0; i < per_thread; ++i) {
        atomics.begin(slot, 1);
        atomics.finish(slot, kDone, 2);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Window totals = atomics.totals();
  CHECK(expected_of_threads(per_thread).difference(Counts::of(totals)) == "");
  CHECK(totals.slots.front().completed == 2 * per_thread);
  CHECK(totals.slots.front().busy_ns == 2 * per_thread);
}

TEST_CASE("baseline: shared atomic counters hold the fields of random requests") {
  const Mode mode = GENERATE(Mode::kEmbedded, Mode::kDaemon);
  Random random(seed());
  bench::AtomicRecorder atomics(1, mode);
  Counts expected;
  for (int i = 0; i < 1'000; ++i) {
    const Completion done = any_completion(random, mode);
    atomics.begin(0, 1);
    atomics.finish(0, done, 2);
    expected.add(done, mode);
  }
  CHECK(expected.difference(Counts::of(atomics.totals())) == "");
}

}  // namespace sluice::test
