// SPDX-License-Identifier: Apache-2.0
// Tests which requests are kept as exemplars, and which window has them.
#include "sluice/exemplar.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "allocations.hpp"
#include "exemplar_rig.hpp"
#include "memory.hpp"
#include "phases.hpp"
#include "shared_memory.hpp"
#include "sluice/cumulative.hpp"
#include "sluice/http.hpp"
#include "sluice/manual_clock.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace {

/// A duration that has no member, in microseconds, behind another histogram.
struct Job {
  std::uint64_t rows = 0;
};

constexpr std::array<std::uint64_t, 3> kJobBounds{10, 100, 1000};

/// A duration in microseconds that the caller may give.
struct Step {
  std::uint64_t duration_us = sluice::kSinceBegin;
};

}  // namespace

template <>
inline constexpr auto sluice::schema<Job> = sluice::fields(
    sluice::histogram("rows", sluice::Unit::kNone, &Job::rows, sluice::bounded_by<kJobBounds>),
    sluice::histogram("duration", sluice::Unit::kMicroseconds, sluice::kElapsed, sluice::bounded_by<kJobBounds>));

template <>
inline constexpr auto sluice::schema<Step> = sluice::fields(sluice::histogram("duration", sluice::Unit::kMicroseconds,
                                                                              &Step::duration_us,
                                                                              sluice::bounded_by<kJobBounds>));

namespace sluice::test {

TEST_CASE("exemplars: a slow request with a trace is kept, a fast one and one without a trace are not") {
  Rig rig({.threads = 2, .exemplars_from_ns = kSlowNs, .allow_membarrier = GENERATE(true, false)});
  http::Worker first = rig.recorder.attach();
  http::Worker second = rig.recorder.attach();
  rig.serve(first, kSlowNs - 1, trace_of(1));
  rig.serve(second, kSlowNs, trace_of(2));
  http::InFlight without = first.begin();
  CHECK(without.in_slot());
  rig.clock.advance_ns(50 * kSlowNs);
  without.finish({.status = 200});

  const Window window = rig.reader.drain().value();
  CHECK(window.request_count == 3);
  CHECK(window.get<&http::Request::duration_ns>().total == 52 * kSlowNs - 1);
  REQUIRE(window.exemplars.size() == 1);
  CHECK(window.exemplars[0] == Exemplar{.trace = trace_of(2),
                                        .value = kSlowNs,
                                        .time_ns = kWallNs + static_cast<std::int64_t>(2 * kSlowNs - 1),
                                        .series = {}});
}

TEST_CASE("exemplars: there are none unless the recorder is told to keep them") {
  Rig rig({.threads = 1});
  http::Worker worker = rig.recorder.attach();
  rig.serve(worker, 60 * kSlowNs, trace_of(1));
  const Window window = rig.reader.drain().value();
  CHECK(window.request_count == 1);
  CHECK(window.exemplars.empty());
  CHECK(exemplar_lines(text_of(window)).empty());
}

TEST_CASE("exemplars: a slot keeps the last request of each of eight ranges, each twice as long as the one before") {
  Rig rig({.threads = 1, .exemplars_from_ns = kSlowNs});
  http::Worker worker = rig.recorder.attach();
  std::uint8_t number = 0;
  for (std::uint64_t factor = 1; factor <= 512; factor *= 2) {  // 256 and 512 belong to the last range
    rig.serve(worker, factor * kSlowNs, trace_of(++number));
    rig.serve(worker, 2 * factor * kSlowNs - 1, trace_of(++number));
  }
  CHECK(traces(rig.reader.drain().value()) == std::vector<int>{2, 4, 6, 8, 10, 12, 14, 20});
  rig.serve(worker, kSlowNs, trace_of(30));
  CHECK(traces(rig.reader.drain().value()) == std::vector<int>{4, 6, 8, 10, 12, 14, 20, 30});
}

TEST_CASE("exemplars: the trace is the one that was set last, and none after ids of zeros") {
  Rig rig({.threads = 1, .exemplars_from_ns = kSlowNs});
  http::Worker worker = rig.recorder.attach();
  http::InFlight request = worker.begin();
  request.set_trace(trace_of(1));
  request.set_trace(trace_of(2));
  CHECK(request.in_slot());
  rig.clock.advance_ns(kSlowNs);
  http::InFlight moved = std::move(request);
  moved.finish({.status = 200});
  moved.set_trace(trace_of(3));  // ignored, because the request was moved
  CHECK(traces(rig.reader.drain().value()) == std::vector<int>{2});

  http::InFlight removed = worker.begin();
  removed.set_trace(trace_of(4));
  removed.set_trace({});
  rig.clock.advance_ns(kSlowNs);
  removed.finish({.status = 200});
  const Window window = rig.reader.drain().value();
  CHECK(window.request_count == 1);
  CHECK(traces(window) == std::vector<int>{2});
}

TEST_CASE("exemplars: a request that is cancelled leaves neither itself nor its trace behind") {
  Rig rig({.threads = 1, .exemplars_from_ns = kSlowNs});
  http::Worker worker = rig.recorder.attach();
  http::InFlight cancelled = worker.begin();
  cancelled.set_trace(trace_of(1));
  rig.clock.advance_ns(kSlowNs);
  cancelled.cancel();
  http::InFlight next = worker.begin();
  CHECK(next.in_slot());
  rig.clock.advance_ns(kSlowNs);
  next.finish({.status = 200});
  const Window window = rig.reader.drain().value();
  CHECK(window.request_count == 1);
  CHECK(window.active_requests == 0);
  CHECK(window.exemplars.empty());
}

TEST_CASE("exemplars: a request that is destroyed is recorded and kept") {
  Rig rig({.threads = 1, .exemplars_from_ns = kSlowNs});
  http::Worker worker = rig.recorder.attach();
  {
    http::InFlight request = worker.begin();
    request.set_trace(trace_of(1));
    rig.clock.advance_ns(kSlowNs);
  }
  const Window window = rig.reader.drain().value();
  CHECK(window.get<&http::Request::status>()[4] == 1);
  CHECK(traces(window) == std::vector<int>{1});
}

TEST_CASE("exemplars: overflow counters count requests with a trace and keep none") {
  Rig rig({.threads = 1, .series = 1, .exemplars_from_ns = kSlowNs});
  http::Worker worker = rig.recorder.attach();
  http::Worker shared = rig.recorder.attach_shared();
  http::InFlight outer = worker.begin();
  outer.set_trace(trace_of(1));
  rig.serve(worker, kSlowNs, trace_of(2));  // inside of another
  rig.serve(shared, kSlowNs, trace_of(3));
  outer.finish({.status = 200});
  const Window window = rig.reader.drain().value();
  CHECK(window.request_count == 3);
  REQUIRE(traces(window) == std::vector<int>{1});
  CHECK(window.exemplars[0].value == 2 * kSlowNs);
}

TEST_CASE("exemplars: one of a series that has no name is of the overflow series, as its counts are") {
  Rig rig({.threads = 1, .series = 4, .exemplars_from_ns = kSlowNs});
  http::Worker worker = rig.recorder.attach();
  http::InFlight request = worker.begin(Series(4));
  request.set_trace(trace_of(1));
  rig.clock.advance_ns(kSlowNs);
  request.finish({.status = 200});
  const Window window = rig.reader.drain().value();
  REQUIRE(window.exemplars.size() == 1);
  CHECK(window.exemplars[0].series == Series(1));
  CHECK(window.series.find(Series(1))->request_count == 1);
}

TEST_CASE("exemplars: a worker of no recorder takes a trace") {
  http::Worker worker;
  http::InFlight request = worker.begin();
  request.set_trace(trace_of(1));
  request.finish({.status = 200});
}

TEST_CASE("exemplars: the duration is that of the field, given or measured, in its unit") {
  ManualClock clock;
  sluice::Recorder<Job> jobs({.threads = 1, .clock = &clock, .exemplars_from_ns = 1'500});
  CHECK(jobs.schema().measured_field == 1);
  Reader reader = jobs.add_reader();
  sluice::Worker<Job> worker = jobs.attach();
  sluice::Request<Job> job = worker.begin();
  job.set_trace(trace_of(1));
  clock.advance_ns(1'499);
  job.finish({.rows = 900});
  CHECK(reader.drain()->exemplars.empty());
  job = worker.begin();
  job.set_trace(trace_of(1));
  clock.advance_ns(50'999);
  job.finish({.rows = 50});  // also in a bucket of the other histogram
  const Window window = reader.drain().value();
  REQUIRE(window.exemplars.size() == 1);
  CHECK(window.exemplars[0].value == 50);
  const Lines lines = exemplar_lines(text_of(window));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with(R"(server_duration_seconds_bucket{le="0.000099"} 1 # {trace_id="0101)"));
  CHECK(lines[0].find("\"} 0.00005 1700000000.") != std::string::npos);

  sluice::Recorder<Step> steps({.threads = 1, .clock = &clock, .exemplars_from_ns = 20'000});
  Reader of_steps = steps.add_reader();
  sluice::Worker<Step> stepper = steps.attach();
  constexpr std::uint64_t kWraps = UINT64_MAX / 1000 + 1;  // nanoseconds do not fit into a word
  std::uint8_t number = 0;
  for (const std::uint64_t us : {std::uint64_t{19}, std::uint64_t{20}, kWraps}) {
    sluice::Request<Step> step = stepper.begin();
    step.set_trace(trace_of(++number));
    step.finish({.duration_us = us});
  }
  CHECK(traces(of_steps.drain().value()) == std::vector<int>{2, 3});
}

TEST_CASE("exemplars: recorders that cannot have any refuse to keep them") {
  CHECK(schema_info<http::Request>.measured_field == 1);
  CHECK(schema_info<Completion>.measured_field == SchemaInfo::kNoField);
  CHECK_THROWS_AS(HttpRecorder({.event_loops = true, .exemplars_from_ns = 1}), std::invalid_argument);
  CHECK_THROWS_AS(sluice::Recorder<Completion>({.exemplars_from_ns = 1}), std::invalid_argument);
}

TEST_CASE("exemplars: a recorder in given memory keeps them in memory of its own") {
  const SharedMemory memory(HttpRecorder::memory_bytes(1));
  Rig rig({.threads = 1, .exemplars_from_ns = kSlowNs, .memory = memory.span()});
  http::Worker worker = rig.recorder.attach();
  rig.serve(worker, kSlowNs, trace_of(1));
  CHECK(traces(rig.reader.drain().value()) == std::vector<int>{1});
}

TEST_CASE("exemplars: an id that the process writes over that of overflow counters is not taken for a trace") {
  const SharedMemory memory(HttpRecorder::memory_bytes(1));
  Rig rig({.threads = 1, .exemplars_from_ns = kSlowNs, .memory = memory.span()});
  http::Worker shared = rig.recorder.attach_shared();
  detail::overflow_in(memory.span().data(), detail::kMemoryLayout<http::Request>)
      .control()
      .set_id(detail::RequestPlace::kTraced);
  http::InFlight request = shared.begin();
  CHECK_FALSE(request.in_slot());
  request.set_trace(trace_of(1));
  request.finish({.status = 200});
  shared.begin().cancel();
  CHECK(rig.reader.drain()->exemplars.empty());
}

TEST_CASE("exemplars: a forked child begins without those of its parent, and keeps its own") {
  Rig rig({.threads = 1, .exemplars_from_ns = kSlowNs});
  http::Worker worker = rig.recorder.attach();
  rig.serve(worker, kSlowNs, trace_of(1));
  http::InFlight in_flight = worker.begin();
  in_flight.set_trace(trace_of(2));
  rig.clock.advance_ns(2 * kSlowNs);
  CHECK(in_child([&] {
          if (!rig.reader.drain()->exemplars.empty()) return 1;
          in_flight.set_trace(trace_of(3));
          in_flight.finish({.status = 200});  // begun by the parent
          const Window nothing = rig.reader.drain().value();
          if (!nothing.exemplars.empty() || nothing.request_count != 0) return 2;
          rig.serve(worker, kSlowNs, trace_of(4));
          return traces(rig.reader.drain().value()) == std::vector<int>{4} ? 0 : 3;
        }) == 0);
  in_flight.finish({.status = 200});
  CHECK(traces(rig.reader.drain().value()) == std::vector<int>{1, 2});
}

TEST_CASE("exemplars: a trace that a child sets for a request of its parent is not that of another worker") {
  Rig rig({.threads = 1, .exemplars_from_ns = kSlowNs});
  http::Worker worker = rig.recorder.attach();
  http::InFlight in_flight = worker.begin();
  CHECK(in_child([&] {
          http::Worker other = rig.recorder.attach();
          if (!other.has_slot()) return 1;
          rig.clock.advance_ns(1);
          http::InFlight own = other.begin();
          own.set_trace(trace_of(1));
          in_flight.set_trace(trace_of(2));
          in_flight.cancel();
          rig.clock.advance_ns(kSlowNs);
          own.finish({.status = 200});
          return traces(rig.reader.drain().value()) == std::vector<int>{1} ? 0 : 2;
        }) == 0);
}

namespace {

/// A clock that runs a function when it is next asked for the time of day.
class InterruptedClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t monotonic_ns() const noexcept override { return manual.monotonic_ns(); }
  [[nodiscard]] std::int64_t wall_ns() const noexcept override {
    if (next) std::exchange(next, nullptr)();
    return manual.wall_ns();
  }

  ManualClock manual;
  mutable std::function<void()> next;
};

}  // namespace

TEST_CASE("exemplars: a request is counted before it is an exemplar") {
  InterruptedClock clock;
  HttpRecorder recorder({.threads = 1, .clock = &clock, .exemplars_from_ns = kSlowNs});
  Reader reader = recorder.add_reader();
  http::Worker worker = recorder.attach();
  http::InFlight request = worker.begin();
  request.set_trace(trace_of(1));
  clock.manual.advance_ns(kSlowNs);
  Window meanwhile;
  clock.next = [&] { meanwhile = reader.drain().value(); };  // when the exemplar gets its time
  request.finish({.status = 200});
  CHECK(meanwhile.request_count == 1);
  CHECK(meanwhile.active_requests == 0);
  CHECK(meanwhile.exemplars.empty());
  CHECK(traces(reader.drain().value()) == std::vector<int>{1});
}

TEST_CASE("exemplars: neither a trace nor an exemplar allocates, and memory is mapped only if they are kept") {
  Rig rig({.threads = 1, .exemplars_from_ns = 1});
  http::Worker worker = rig.recorder.attach();
  const std::uint64_t before = allocations();
  for (int i = 0; i < 100; ++i) rig.serve(worker, 1ULL << (i % 12), trace_of(1));
  CHECK(allocations() == before);
}

TEST_CASE("exemplars: a drain that has no memory for them loses nothing") {
  Rig rig({.threads = 1, .exemplars_from_ns = kSlowNs});
  http::Worker worker = rig.recorder.attach();
  rig.serve(worker, kSlowNs, trace_of(1));
  Window window;
  for (std::uint64_t number = 0;; ++number) {
    fail_allocation(number);
    try {
      static_cast<void>(rig.reader.drain(window));
    } catch (const std::bad_alloc&) {
      continue;
    }
    if (allocation_was_spared()) break;
  }
  CHECK(window.request_count == 1);
  CHECK(traces(window) == std::vector<int>{1});
}

TEST_CASE("exemplars: a sum has those of its last window") {
  Rig rig({.threads = 1, .exemplars_from_ns = kSlowNs});
  CumulativeReader cumulative(rig.recorder.add_reader());
  http::Worker worker = rig.recorder.attach();
  Window sum;
  rig.serve(worker, kSlowNs, trace_of(1));
  REQUIRE(cumulative.read(sum).ok());
  rig.serve(worker, kSlowNs, trace_of(2));
  rig.serve(worker, 2 * kSlowNs, trace_of(3));
  REQUIRE(cumulative.read(sum).ok());
  CHECK(sum.request_count == 3);
  CHECK(traces(sum) == std::vector<int>{2, 3});
  sum.clear_counts();
  CHECK(sum.exemplars.empty());
}

namespace {

/// The window of requests that a thread records while others drain, each with a trace of its number.
constexpr std::uint64_t kFirstNs = 1'000'000'000;

Trace numbered(std::uint64_t number) {
  Trace trace{.sampled = number % 2 != 0};
  for (std::size_t i = 0; i < 16; ++i) trace.trace_id[i] = static_cast<std::uint8_t>((number + 1) >> (i % 8 * 8));
  for (std::size_t i = 0; i < 8; ++i) trace.span_id[i] = trace.trace_id[i];
  return trace;
}

}  // namespace

TEST_CASE("exemplars: every one that is read while requests are recorded is whole") {
  constexpr std::size_t kThreads = 2;
  const std::uint64_t requests = scaled(60'000);
  HttpRecorder recorder(
      {.threads = kThreads, .exemplars_from_ns = kFirstNs, .allow_membarrier = GENERATE(true, false)});
  CumulativeReader cumulative(recorder.add_reader());
  std::atomic<std::size_t> running{kThreads};
  std::latch attached(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      http::Worker worker = recorder.attach();
      attached.arrive_and_wait();  // so that no thread takes the slot of one that has ended
      for (std::uint64_t number = 0; number < requests; ++number) {
        http::InFlight request = worker.begin();
        request.set_trace(numbered(number));
        request.finish({.status = 200, .duration_ns = kFirstNs + number});
      }
      running.fetch_sub(1);
    });
  }
  std::uint64_t torn = 0;
  std::uint64_t seen = 0;
  Window window;
  bool last = false;
  while (!last) {
    last = running.load() == 0;
    if (!cumulative.read(window).ok()) continue;
    for (const Exemplar& exemplar : window.exemplars) {
      ++seen;
      if (exemplar.trace != numbered(exemplar.value - kFirstNs)) ++torn;
    }
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(torn == 0);
  CHECK(seen >= kThreads);
  CHECK(window.request_count == kThreads * requests);
  REQUIRE(window.exemplars.size() == kThreads);
  for (const Exemplar& exemplar : window.exemplars) CHECK(exemplar.value == kFirstNs + requests - 1);
}

}  // namespace sluice::test
