// SPDX-License-Identifier: Apache-2.0
// Measures one whole request, begun and finished, with the recorder and with each baseline. Instants are given, so the
// timed loops read no clock. With two threads the wall time is that per record of both, and the CPU time that of one
// record.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>

#include "bench/atomic_baseline.hpp"
#include "bench/floor.hpp"
#include "bench/lock_by_slot_baseline.hpp"
#include "bench/locked_baseline.hpp"
#include "bench/prometheus_peer.hpp"
#include "bench/small.hpp"
#include "bench/workload.hpp"
#include "sluice/http.hpp"
#include "sluice/recorder.hpp"
#if defined(SLUICE_BENCH_OTEL)
#include "bench/otel_peer.hpp"
#endif

namespace sluice::bench {
namespace {

constexpr std::size_t kThreads = 64;

/// Measures `serve(done, start_ns, stop_ns)`, which records one request.
template <class Requests = Workload, class Serve>
void repeat(benchmark::State& state, Serve serve) {
  const Requests requests;
  std::uint64_t now_ns = kStartNs;
  std::size_t i = 0;
  for (auto _ : state) {
    const auto& done = requests[i];
    const std::uint64_t start_ns = now_ns;
    now_ns += requests.duration_ns(i++);
    serve(done, start_ns, now_ns);
    benchmark::ClobberMemory();
  }
}

void record(benchmark::State& state) {
  static PhasesRecorder recorder({.threads = kThreads, .mode = kDaemonMode});
  PhasesWorker worker = recorder.attach();
  repeat(state, [&](const Completion& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
    Request<Completion> request = worker.begin(start_ns);
    request.finish(done, stop_ns);
  });
}

void small_record(benchmark::State& state) {
  static SmallRecorder recorder({.threads = kThreads});
  SmallWorker worker = recorder.attach();
  repeat<SmallWorkload>(state, [&](const Small& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
    Request<Small> request = worker.begin(start_ns);
    request.finish(done, stop_ns);
  });
}

/// Measures the same with a series of three labels for each request.
void small_series(benchmark::State& state) {
  static SmallRecorder recorder({.threads = kThreads, .series = 64});
  SmallWorker worker = recorder.attach();
  const Series series = recorder.series(http::SeriesLabels("GET", "/users/{id}", 200));
  repeat<SmallWorkload>(state, [&](const Small& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
    Request<Small> request = worker.begin(series, start_ns);
    request.finish(done, stop_ns);
  });
}

/// Measures all threads on one shared worker. Its requests are counted in the stripe of the thread's CPU.
void shared(benchmark::State& state) {
  static PhasesRecorder recorder({.threads = kThreads, .mode = kDaemonMode});
  static PhasesWorker worker = recorder.attach_shared();
  repeat(state, [&](const Completion& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
    Request<Completion> request = worker.begin(start_ns);
    request.finish(done, stop_ns);
  });
}

/// Measures the same with the small schema.
void small_shared(benchmark::State& state) {
  static SmallRecorder recorder({.threads = kThreads});
  static SmallWorker worker = recorder.attach_shared();
  repeat<SmallWorkload>(state, [&](const Small& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
    Request<Small> request = worker.begin(start_ns);
    request.finish(done, stop_ns);
  });
}

void floor(benchmark::State& state) {
  Floor floor(Mode::kDaemon);
  benchmark::DoNotOptimize(&floor);
  repeat(state, [&](const Completion& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
    floor.begin(start_ns);
    benchmark::ClobberMemory();  // keeps the start in memory, as if a request ran in between
    floor.finish(done, stop_ns);
  });
}

void small_floor(benchmark::State& state) {
  SmallFloor floor;
  benchmark::DoNotOptimize(&floor);
  repeat<SmallWorkload>(state, [&](const Small& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
    floor.begin(start_ns);
    benchmark::ClobberMemory();
    floor.finish(done, stop_ns);
  });
}

template <class Locked>
void locked_as_in_reference(benchmark::State& state) {
  static Locked recorder(kThreads, Mode::kDaemon, kStartNs);
  const auto slot = static_cast<std::size_t>(state.thread_index());
  repeat(state, [&](const Completion& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
    recorder.begin(slot, start_ns);
    recorder.enter(slot, start_ns);
    recorder.finish(slot, done, stop_ns);
  });
}

void locked(benchmark::State& state) { locked_as_in_reference<LockedRecorder>(state); }

void locked_seconds(benchmark::State& state) { locked_as_in_reference<LockedSecondsRecorder>(state); }

template <class Baseline>
void slots_of(Baseline& recorder, benchmark::State& state) {
  const auto slot = static_cast<std::size_t>(state.thread_index());
  repeat(state, [&](const Completion& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
    recorder.begin(slot, start_ns);
    recorder.finish(slot, done, stop_ns);
  });
}

void lock_by_slot(benchmark::State& state) {
  static LockBySlotRecorder recorder(kThreads, Mode::kDaemon);
  slots_of(recorder, state);
}

void atomics(benchmark::State& state) {
  static AtomicRecorder recorder(kThreads, Mode::kDaemon);
  slots_of(recorder, state);
}

void prometheus_cpp(benchmark::State& state) {
  static PrometheusRecorder recorder;
  repeat(state, [&](const Completion& done, std::uint64_t, std::uint64_t) { recorder.record(done); });
}

void small_prometheus_cpp(benchmark::State& state) {
  static SmallPrometheusRecorder recorder;
  repeat<SmallWorkload>(state, [&](const Small& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
    recorder.record(done, stop_ns - start_ns);
  });
}

#if defined(SLUICE_BENCH_OTEL)
void small_otel_cpp(benchmark::State& state) {
  static OtelRecorder recorder;
  repeat<SmallWorkload>(state, [&](const Small& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
    recorder.record(done, stop_ns - start_ns);
  });
}

void small_plain_otel_cpp(benchmark::State& state) {
  static OtelRecorder recorder;
  repeat<SmallWorkload>(state, [&](const Small& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
    recorder.record_without_attributes(done, stop_ns - start_ns);
  });
}

BENCHMARK(small_otel_cpp)->ThreadRange(1, 1)->UseRealTime();
BENCHMARK(small_plain_otel_cpp)->ThreadRange(1, 1)->UseRealTime();
#endif

BENCHMARK(record)->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(small_record)->ThreadRange(1, 1)->UseRealTime();
BENCHMARK(small_series)->ThreadRange(1, 1)->UseRealTime();
BENCHMARK(shared)->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(small_shared)->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(small_floor)->ThreadRange(1, 1)->UseRealTime();
BENCHMARK(small_prometheus_cpp)->ThreadRange(1, 1)->UseRealTime();
BENCHMARK(floor)->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(locked)->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(locked_seconds)->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(lock_by_slot)->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(atomics)->ThreadRange(1, 2)->UseRealTime();
BENCHMARK(prometheus_cpp)->ThreadRange(1, 2)->UseRealTime();

}  // namespace
}  // namespace sluice::bench
