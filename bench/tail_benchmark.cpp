// SPDX-License-Identifier: Apache-2.0
// Measures the slowest records while a reader drains without pause. A sample is the time between two readings of the
// clock, with one record in between.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "bench/locked_baseline.hpp"
#include "bench/workload.hpp"
#include "sluice/clock.hpp"
#include "sluice/recorder.hpp"

namespace sluice::bench {
namespace {

constexpr std::size_t kSamples = 200'000;

/// Returns the duration that 9,999 of 10,000 samples do not exceed.
double p9999(std::vector<std::uint64_t>& durations) {
  const auto nth = durations.begin() + static_cast<std::ptrdiff_t>(durations.size() * 9'999 / 10'000);
  std::nth_element(durations.begin(), nth, durations.end());
  return static_cast<double>(*nth);
}

/// Measures `serve(done, start_ns, stop_ns)`, which records one request, while `drain()` runs on another thread.
template <class Serve, class Drain>
void sample(benchmark::State& state, Serve serve, Drain drain) {
  const Workload requests;
  std::vector<std::uint64_t> spans_ns(kSamples);
  std::atomic<std::uint64_t> drains{0};
  std::jthread reader([&](const std::stop_token& stop) {
    for (; !stop.stop_requested(); drains.fetch_add(1, std::memory_order_relaxed)) drain();
  });
  while (drains.load(std::memory_order_relaxed) == 0) std::this_thread::yield();

  std::size_t i = 0;
  std::uint64_t before_ns = monotonic_ns();
  for (auto _ : state) {
    serve(requests[i], before_ns, before_ns + 1);
    const std::uint64_t now_ns = monotonic_ns();
    spans_ns[i++] = now_ns - before_ns;
    before_ns = now_ns;
  }
  reader.request_stop();
  reader.join();
  state.counters["p9999_ns"] = p9999(spans_ns);
  state.counters["drains"] = static_cast<double>(drains.load(std::memory_order_relaxed));
}

void record_tail(benchmark::State& state) {
  PhasesRecorder recorder({.threads = 1, .mode = kDaemonMode});
  Reader reader = recorder.add_reader();
  PhasesWorker worker = recorder.attach();
  Window window;
  sample(
      state,
      [&](const Completion& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
        worker.begin(start_ns).finish(done, stop_ns);
      },
      [&] { static_cast<void>(reader.drain(window)); });
}

void locked_tail(benchmark::State& state) {
  LockedRecorder recorder(1, Mode::kDaemon, monotonic_ns());
  Window window;
  sample(
      state,
      [&](const Completion& done, std::uint64_t start_ns, std::uint64_t stop_ns) {
        recorder.begin(0, start_ns);
        recorder.enter(0, start_ns);
        recorder.finish(0, done, stop_ns);
      },
      [&] { recorder.drain(monotonic_ns(), window); });
}

BENCHMARK(record_tail)->Iterations(kSamples)->UseRealTime();
BENCHMARK(locked_tail)->Iterations(kSamples)->UseRealTime();

}  // namespace
}  // namespace sluice::bench
