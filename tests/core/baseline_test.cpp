// The baselines of the benchmarks keep what the recorder keeps; otherwise a comparison with them says nothing.
#include <array>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/floor.hpp"
#include "bench/locked_baseline.hpp"
#include "expected.hpp"
#include "manual_clock.hpp"
#include "random.hpp"
#include "sluice/recorder.hpp"
#include "stress.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {

/// The first difference between two windows over the same time, their wall-clock and CPU times apart.
std::string difference(const Window& one, const Window& other) {
  if (one.elapsed_ns != other.elapsed_ns) return "elapsed time";
  if (one.slots.size() != other.slots.size()) return "number of slots";
  for (std::size_t i = 0; i < one.slots.size(); ++i) {
    const SlotWindow& a = one.slots[i];
    const SlotWindow& b = other.slots[i];
    const std::string slot = " of slot " + std::to_string(i);
    if (a.completed != b.completed) return "completed" + slot;
    if (a.busy_ns != b.busy_ns) return "busy time" + slot;
    if (a.cpu_ns != b.cpu_ns) return "CPU time" + slot;
    if (a.max_duration_ns != b.max_duration_ns) return "longest request" + slot;
    if (a.in_flight != b.in_flight) return "request in flight" + slot;
    if (a.current_elapsed_ns != b.current_elapsed_ns) return "age of the request in flight" + slot;
  }
  return Counts::of(one).difference(Counts::of(other));
}

Window drained(Reader& reader) {
  absl::StatusOr<Window> window = reader.drain();
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
  for (int i = 0; i < 1'000; ++i) {
    Request request = worker.begin();
    floor.begin(clock.monotonic_ns());
    clock.advance_ns(any_size(random, 36));
    const Completion done = any_completion(random, mode);
    request.finish(done);
    floor.finish(done, clock.monotonic_ns());
  }
  Window window = floor.window();
  window.elapsed_ns = clock.monotonic_ns() - start_ns;
  CHECK(difference(drained(reader), window) == "");
}

TEST_CASE("baseline: the locked recorder gives the windows that the recorder gives") {
  const Mode mode = GENERATE(Mode::kEmbedded, Mode::kDaemon);
  constexpr std::size_t kSlots = 3;
  Random random(seed());
  ManualClock clock;
  Recorder recorder({.threads = kSlots, .mode = mode, .clock = &clock});
  Reader reader = recorder.add_reader();
  bench::LockedRecorder locked(kSlots, mode, clock.monotonic_ns());
  std::vector<Worker> workers;
  for (std::size_t i = 0; i < kSlots; ++i) workers.push_back(recorder.attach());
  std::array<std::optional<Request>, kSlots> requests;

  for (int step = 0; step < 10'000; ++step) {
    clock.advance_ns(any_size(random, 30));
    if (random() % 8 == 0) {
      Window window;
      locked.drain(clock.monotonic_ns(), window);
      REQUIRE(difference(drained(reader), window) == "");
      REQUIRE(window.resources.memory_rss > 0);
      continue;
    }
    const std::size_t slot = random() % kSlots;
    if (requests[slot]) {
      const Completion done = any_completion(random, mode);
      requests[slot]->finish(done);
      requests[slot].reset();
      locked.finish(slot, done, clock.monotonic_ns());
    } else {
      requests[slot].emplace(workers[slot].begin());
      locked.begin(slot, clock.monotonic_ns());
    }
  }
}

TEST_CASE("baseline: the locked recorder loses nothing between threads and drains") {
  constexpr std::size_t kSlots = 2;
  const std::uint64_t each = scaled(400'000);
  const Completion done{.application_us = 1500, .cpu_ns = 7, .output_bytes = 3};
  bench::LockedRecorder locked(kSlots, Mode::kDaemon, 1);
  std::latch ready(kSlots + 1);
  std::vector<std::thread> threads;
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    threads.emplace_back([&, slot] {
      ready.arrive_and_wait();
      for (std::uint64_t i = 0; i < each; ++i) {
        locked.begin(slot, 1);
        locked.finish(slot, done, 2);
      }
    });
  }
  Window total;
  total.mode = Mode::kDaemon;
  total.slots.resize(kSlots);
  const auto drain = [&] {
    Window window;
    locked.drain(2, window);
    total.merge_counts(window);
  };
  ready.arrive_and_wait();
  for (int i = 0; i < 200; ++i) drain();
  for (std::thread& thread : threads) thread.join();
  drain();
  Counts expected;
  expected.add(done, Mode::kDaemon, kSlots * each);
  CHECK(expected.difference(Counts::of(total)) == "");
}
