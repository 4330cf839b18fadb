// SPDX-License-Identifier: Apache-2.0
// Measures how costs grow: of a drain with the number of slots, of requests in the window and of series, of a record
// with the number of threads and of series. The argument is part of a benchmark's name.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/locked_baseline.hpp"
#include "bench/small.hpp"
#include "bench/timing.hpp"
#include "bench/workload.hpp"
#include "sluice/http.hpp"
#include "sluice/recorder.hpp"

namespace sluice::bench {
namespace {

constexpr std::size_t kThreads = 64;

/// A recorder of which this thread has all slots.
struct Drained {
  PhasesRecorder recorder;
  Reader reader;
  std::vector<PhasesWorker> workers;
  Window window;

  explicit Drained(std::size_t slots)
      : recorder({.threads = slots, .mode = kDaemonMode}), reader(recorder.add_reader()) {
    for (std::size_t i = 0; i < slots; ++i) workers.push_back(recorder.attach());
  }

  void drain(benchmark::State& state) {
    if (!reader.drain(window).ok()) state.SkipWithError("the kernel refused a barrier");
  }
};

/// Measures a drain of `range(0)` slots, each of which has recorded since the last drain.
void drain_by_slots(benchmark::State& state) {
  const Workload requests;
  Drained drained(static_cast<std::size_t>(state.range(0)));
  std::size_t i = 0;
  const auto serve = [&] {
    for (PhasesWorker& worker : drained.workers) worker.begin().finish(requests[i++]);
  };
  time_second(state, serve, [&] { drained.drain(state); });
}

/// Measures a drain of `range(0)` slots, none of which has recorded since the last drain.
void idle_drain_by_slots(benchmark::State& state) {
  Drained drained(static_cast<std::size_t>(state.range(0)));
  time_second(
      state, [] {}, [&] { drained.drain(state); });
}

/// Measures a drain of 8 slots that have recorded `range(0)` requests together.
void drain_by_requests(benchmark::State& state) {
  constexpr std::size_t kSlots = 8;
  const Workload requests;
  Drained drained(kSlots);
  const auto count = static_cast<std::size_t>(state.range(0));
  const auto serve = [&] {
    for (std::size_t n = 0; n < count; ++n) {
      drained.workers[n % kSlots].begin(kStartNs).finish(requests[n], kStartNs + 1000);
    }
  };
  time_second(state, serve, [&] { drained.drain(state); });
}

void record_by_threads(benchmark::State& state) {
  static PhasesRecorder recorder({.threads = kThreads, .mode = kDaemonMode});
  const Workload requests;
  PhasesWorker worker = recorder.attach();
  std::size_t i = 0;
  for (auto _ : state) {
    worker.begin(kStartNs).finish(requests[i++], kStartNs + 1000);
    benchmark::ClobberMemory();
  }
}

void locked_by_threads(benchmark::State& state) {
  static LockedRecorder recorder(kThreads, Mode::kDaemon, kStartNs);
  const Workload requests;
  const auto slot = static_cast<std::size_t>(state.thread_index());
  std::size_t i = 0;
  for (auto _ : state) {
    recorder.begin(slot, kStartNs);
    recorder.enter(slot, kStartNs);
    recorder.finish(slot, requests[i++], kStartNs + 1000);
    benchmark::ClobberMemory();
  }
}

/// A recorder with 10,000 series, of which the first `used` are used in turn.
struct Labelled {
  static constexpr std::size_t kSeries = 10'000;

  SmallRecorder recorder{{.threads = 1, .series = kSeries}};
  Reader reader = recorder.add_reader();
  SmallWorker worker = recorder.attach();
  std::vector<Series> series;
  Window window;

  explicit Labelled(std::size_t used) {
    for (std::size_t i = 0; i < used; ++i) {
      const std::string route = std::to_string(i);
      series.push_back(recorder.series(http::SeriesLabels("GET", route, 200)));
    }
  }
};

/// Measures a drain of one slot that has recorded a request in each of `range(0)` series.
void drain_by_series(benchmark::State& state) {
  const SmallWorkload requests;
  Labelled labelled(static_cast<std::size_t>(state.range(0)));
  const auto serve = [&] {
    std::size_t i = 0;
    for (const Series series : labelled.series) {
      labelled.worker.begin(series, kStartNs).finish(requests[i++], kStartNs + 1000);
    }
  };
  time_second(state, serve, [&] {
    if (!labelled.reader.drain(labelled.window).ok()) state.SkipWithError("the kernel refused a barrier");
  });
}

/// Measures a record, each in the next of `range(0)` series.
void record_by_series(benchmark::State& state) {
  const SmallWorkload requests;
  Labelled labelled(static_cast<std::size_t>(state.range(0)));
  std::size_t i = 0;
  std::size_t which = 0;
  for (auto _ : state) {
    labelled.worker.begin(labelled.series[which], kStartNs).finish(requests[i++], kStartNs + 1000);
    if (++which == labelled.series.size()) which = 0;
    benchmark::ClobberMemory();
  }
}

// The number of iterations is fixed where preparing one takes much longer than the measured part.
BENCHMARK(drain_by_slots)->RangeMultiplier(4)->Range(1, 1024)->Iterations(60)->UseManualTime();
BENCHMARK(idle_drain_by_slots)->RangeMultiplier(4)->Range(1, 1024)->Iterations(60)->UseManualTime();
BENCHMARK(drain_by_requests)->Arg(0)->RangeMultiplier(10)->Range(1, 100'000)->Iterations(20)->UseManualTime();
BENCHMARK(drain_by_requests)->Arg(1'000'000)->Iterations(3)->UseManualTime();
BENCHMARK(drain_by_series)->RangeMultiplier(10)->Range(1, 10'000)->Iterations(20)->UseManualTime();
BENCHMARK(record_by_series)->RangeMultiplier(10)->Range(1, 10'000)->UseRealTime();
BENCHMARK(record_by_threads)->ThreadRange(1, kThreads)->UseRealTime();
BENCHMARK(locked_by_threads)->ThreadRange(1, kThreads)->UseRealTime();

}  // namespace
}  // namespace sluice::bench
