// SPDX-License-Identifier: Apache-2.0
#include "timeline.hpp"
#include "phases.hpp"

#include "sluice/manual_clock.hpp"
#include "tests/catch.hpp"

namespace sluice::test {
using sluice::ManualClock;

namespace {

constexpr std::int64_t kHourNs = 3'600'000'000'000;

/// Returns the nearest double to the wall-clock time in seconds.
double wall_seconds(const ManualClock& clock) {
  return static_cast<double>(static_cast<long double>(clock.wall_ns()) / 1e9L);
}

}  // namespace

TEST_CASE("timeline: wall time is monotonic time and an offset, to the nanosecond that a double can hold") {
  ManualClock clock;
  Timeline timeline(clock);
  const Timeline::Instant first = timeline.now();
  CHECK_FALSE(first.stepped);
  CHECK(first.wall == wall_seconds(clock));
  clock.advance_us(2'500'000);
  const Timeline::Instant second = timeline.now();
  CHECK_FALSE(second.stepped);
  CHECK(second.monotonic_ns - first.monotonic_ns == 2'500'000'000);
  CHECK(second.wall - first.wall == 2.5);
}

TEST_CASE("timeline: less than a millisecond is noise, more is a step, reported once") {
  ManualClock clock;
  Timeline timeline(clock);
  clock.step_wall_ns(900'000);
  CHECK_FALSE(timeline.now().stepped);
  clock.step_wall_ns(200'000);
  CHECK(timeline.now().stepped);
  CHECK_FALSE(timeline.now().stepped);
  CHECK(timeline.now().wall == wall_seconds(clock));
}

TEST_CASE("timeline: a wall clock stepped inside a window leaves its length the elapsed time") {
  ManualClock clock;
  const std::int64_t step_ns = GENERATE(1, -1) * kHourNs;
  Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();

  clock.advance_us(1'000'000);
  const Window before = reader.drain().value();
  CHECK(before.sample_period == before.stop_time - before.start_time);

  Request request = worker.begin();
  clock.advance_us(750'000);
  clock.step_wall_ns(step_ns);
  clock.advance_us(750'000);
  request.finish({});
  const Window stepped = reader.drain().value();
  CHECK(stepped.start_time == before.stop_time);
  CHECK(stepped.stop_time == wall_seconds(clock));
  CHECK(stepped.sample_period == 1.5);
  CHECK(stepped.elapsed_ns == 1'500'000'000);
  CHECK(stepped.request_throughput() == Approx(1 / 1.5));
  CHECK(stepped.capacity_utilization() == 1.0);

  clock.advance_us(250'000);
  const Window after = reader.drain().value();
  CHECK(after.start_time == stepped.stop_time);
  CHECK(after.sample_period == after.stop_time - after.start_time);
  CHECK(after.sample_period == 0.25);
}

TEST_CASE("timeline: a step is seen by every reader whose window it lies in, whoever noticed it first") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader one = recorder.add_reader();
  Reader two = recorder.add_reader();
  clock.advance_us(1'000'000);
  clock.step_wall_ns(-kHourNs);
  CHECK(one.drain().value().sample_period == 1.0);
  clock.advance_us(1'000'000);
  CHECK(one.drain().value().sample_period == 1.0);
  CHECK(two.drain().value().sample_period == 2.0);

  clock.step_wall_ns(kHourNs);
  static_cast<void>(recorder.totals());
  clock.advance_us(500'000);
  CHECK(one.drain().value().sample_period == 0.5);
  Reader three = recorder.add_reader();
  clock.advance_us(500'000);
  CHECK(two.drain().value().sample_period == 1.0);
  const Window fresh = three.drain().value();
  CHECK(fresh.sample_period == fresh.stop_time - fresh.start_time);
}

TEST_CASE("timeline: windows meet in the very same double") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  Reader reader = recorder.add_reader();
  double last = reader.drain().value().stop_time;
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    clock.advance_ns(i * i * 7'919 + 1);
    if (i % 10 == 3) clock.step_wall_ns(i % 20 == 3 ? kHourNs : -kHourNs / 3);
    const Window window = reader.drain().value();
    if (window.start_time != last) FAIL("window " << i);
    if (window.sample_period < 0) FAIL("length of window " << i);
    last = window.stop_time;
  }
}

}  // namespace sluice::test
