// SPDX-License-Identifier: Apache-2.0
// Measures a whole scrape: the counts of all processes of a server are read from the memory that they share and written
// as text. There are 64 processes of 25 threads, each of which has served in both banks of its slot. The floor is a
// memcpy of as many banks.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bench/workload.hpp"
#include "sluice/detail/slot.hpp"
#include "sluice/encode/server.hpp"
#include "sluice/recorder.hpp"
#include "sluice/registry.hpp"

namespace sluice::bench {
namespace {

constexpr std::size_t kProcesses = 64;
constexpr std::size_t kThreads = 25;
constexpr std::size_t kRequestsPerSlot = 8;
constexpr std::size_t kRegionBytes = std::size_t{256} << 20U;

/// A server that is simulated by recorders of this process in the regions of 64 others.
class Server {
 public:
  Server() : registry_(Registry::of<Completion>(*state_)) {
    if (!registry_.open(kRegionBytes).ok()) return;
    const auto group = registry_.group("group", kDaemonMode);
    if (!group.ok() || !registry_.pre_allocate({{{.group = group->id}, kThreads, kProcesses}}).ok()) return;
    const Workload requests;
    for (std::size_t i = 0; i < kProcesses; ++i) {
      const auto slot = registry_.reserve({.group = group->id}, kThreads);
      if (!slot.ok()) return;
      registry_.started(*slot, ::getpid());
      recorders_.push_back(std::make_unique<PhasesRecorder>(
          RecorderOptions{.threads = kThreads, .mode = kDaemonMode, .memory = registry_.memory_of(*slot)}));
      serve(*recorders_.back(), requests);
    }
  }

  [[nodiscard]] absl::StatusOr<ServerReading> read() const { return registry_.read(); }

 private:
  static void serve(PhasesRecorder& recorder, const Workload& requests) {
    Reader reader = recorder.add_reader();
    std::vector<PhasesWorker> workers;
    for (std::size_t i = 0; i < kThreads; ++i) workers.push_back(recorder.attach());
    std::size_t n = 0;
    for (int bank = 0; bank < 2; ++bank) {
      for (PhasesWorker& worker : workers) {
        for (std::size_t i = 0; i < kRequestsPerSlot; ++i) worker.begin().finish(requests[n++]);
      }
      static_cast<void>(reader.drain());
    }
  }

  std::unique_ptr<Registry::State> state_ = std::make_unique<Registry::State>();
  Registry registry_;
  std::vector<std::unique_ptr<PhasesRecorder>> recorders_;
};

void scrape(benchmark::State& state) {
  const Server server;
  std::string text;
  for (auto _ : state) {
    const absl::StatusOr<ServerReading> reading = server.read();
    if (!reading.ok() || reading->total.counts.request_count != kProcesses * kThreads * 2 * kRequestsPerSlot) {
      state.SkipWithError("not all that was served is in the reading");
      return;
    }
    encode::fill(text, [&](std::span<char> out) {
      return encode::server_exposition(*reading, encode::Format::kOpenMetrics, out);
    });
    benchmark::DoNotOptimize(text.data());
  }
}

/// Measures the reading without the text.
void read_registry(benchmark::State& state) {
  const Server server;
  for (auto _ : state) {
    const absl::StatusOr<ServerReading> reading = server.read();
    benchmark::DoNotOptimize(reading.ok());
  }
}

/// Copies the banks of as many slots, which have served the same requests.
void copy_registry(benchmark::State& state) {
  using Atomics = detail::ProductionAtomics;
  using Slot = detail::Slot<Atomics, Completion>;
  constexpr std::size_t kSlots = kProcesses * kThreads;
  const Workload requests;
  const auto slots = std::make_unique<Slot[]>(kSlots);
  std::size_t n = 0;
  for (std::size_t i = 0; i < kSlots; ++i) {
    for (auto& bank : slots[i].banks) {
      for (std::size_t k = 0; k < kRequestsPerSlot; ++k) bank.counts.add(requests[n++], 1, kDaemonMode);
    }
  }
  std::vector<std::byte> copy(kSlots * sizeof(Slot::banks));
  for (auto _ : state) {
    for (std::size_t i = 0; i < kSlots; ++i) {
      std::memcpy(copy.data() + i * sizeof(Slot::banks), &slots[i].banks, sizeof(Slot::banks));
    }
    benchmark::DoNotOptimize(copy.data());
    benchmark::ClobberMemory();
  }
}

BENCHMARK(copy_registry)->Unit(benchmark::kNanosecond);
BENCHMARK(scrape)->Unit(benchmark::kNanosecond);
BENCHMARK(read_registry)->Unit(benchmark::kNanosecond);

}  // namespace
}  // namespace sluice::bench
