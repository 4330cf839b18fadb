// SPDX-License-Identifier: Apache-2.0
// Measures a drain of 64 slots: with requests in all of them since the last drain, and with none. The floor of a busy
// drain is a memcpy of the same banks. Between two rounds each slot records a few requests, which is not measured.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "bench/timing.hpp"
#include "bench/workload.hpp"
#include "sluice/detail/slot.hpp"
#include "sluice/recorder.hpp"

namespace sluice::bench {
namespace {

constexpr std::size_t kSlots = 64;
constexpr std::size_t kRequestsPerSlot = 4;

/// A recorder of which this thread has all slots.
struct Drained {
  PhasesRecorder recorder{{.threads = kSlots, .mode = kDaemonMode}};
  Reader reader = recorder.add_reader();
  std::vector<PhasesWorker> workers;
  Window window;

  Drained() {
    for (std::size_t i = 0; i < kSlots; ++i) workers.push_back(recorder.attach());
  }

  void drain(benchmark::State& state) {
    if (!reader.drain(window).ok()) state.SkipWithError("the kernel refused a barrier");
  }
};

void drain_busy(benchmark::State& state) {
  const Workload requests;
  Drained drained;
  std::size_t i = 0;
  const auto serve = [&] {
    for (PhasesWorker& worker : drained.workers) {
      for (std::size_t n = 0; n < kRequestsPerSlot; ++n) worker.begin().finish(requests[i++]);
    }
  };
  time_second(state, serve, [&] { drained.drain(state); });
}

void drain_idle(benchmark::State& state) {
  Drained drained;
  time_second(
      state, [] {}, [&] { drained.drain(state); });
}

/// Copies the banks of one epoch, then those of the other, in alternation as a drain reads them.
void copy_busy(benchmark::State& state) {
  using Atomics = detail::ProductionAtomics;
  using Bank = detail::EpochBank<Atomics, Completion>;
  const Workload requests;
  const auto slots = std::make_unique<detail::Slot<Atomics, Completion>[]>(kSlots);
  std::vector<std::byte> copy(kSlots * sizeof(Bank));
  std::size_t i = 0;
  std::size_t epoch = 0;
  const auto serve = [&] {
    epoch ^= 1;
    for (std::size_t s = 0; s < kSlots; ++s) {
      for (std::size_t n = 0; n < kRequestsPerSlot; ++n) {
        slots[s].banks[epoch].counts.add(requests[i++], 1, kDaemonMode);
      }
    }
  };
  time_second(state, serve, [&] {
    for (std::size_t s = 0; s < kSlots; ++s) {
      const void* const bank = &slots[s].banks[epoch];
      std::memcpy(copy.data() + s * sizeof(Bank), bank, sizeof(Bank));
    }
    benchmark::DoNotOptimize(copy.data());
    benchmark::ClobberMemory();
  });
}

BENCHMARK(drain_busy)->UseManualTime();
BENCHMARK(drain_idle)->UseManualTime();
BENCHMARK(copy_busy)->UseManualTime();

}  // namespace
}  // namespace sluice::bench
