// SPDX-License-Identifier: Apache-2.0
// The functions named measured_*, whose instructions callgrind counts. They are called in steady state, with a dump of
// the counts after each step. The request is always the same, so that every record takes the same branches. Prints
// "asymmetric" if writers rely on membarrier(), otherwise "symmetric".
#include <valgrind/callgrind.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <thread>
#include <vector>

#include "adapters/wsgi/schema/completion.hpp"
#include "bench/small.hpp"
#include "sluice/recorder.hpp"

namespace {

constexpr std::size_t kSlots = 64;
constexpr std::uint64_t kStartNs = 1'000'000'000;
constexpr int kMany = 100'000;
constexpr int kDrains = 20;

using sluice::Reader;
using sluice::Window;
using sluice::bench::Small;
using sluice::wsgi::Completion;
using Worker = sluice::Worker<Completion>;

Completion request() {
  Completion done{.status = 200,
                  .server_us = 1'900,
                  .application_us = 1'500,
                  .request_us = 1'800,
                  .input_read_us = 20,
                  .output_write_us = 30,
                  .queue_us = 100,
                  .daemon_us = 1'600,
                  .cpu_ns = 900'000,
                  .input_bytes = 10,
                  .input_reads = 1,
                  .output_bytes = 12,
                  .output_writes = 1};
  done.gil_waits.add(40'000);
  return done;
}

}  // namespace

extern "C" {

[[gnu::noinline]] void measured_record(Worker& worker, const Completion& done) {
  worker.begin(kStartNs).finish(done, kStartNs + 1'900'000);
}

[[gnu::noinline]] void measured_small_record(sluice::Worker<Small>& worker, const Small& done) {
  worker.begin(kStartNs).finish(done, kStartNs + 1'900'000);
}

[[gnu::noinline]] bool measured_drain(Reader& reader, Window& window) { return reader.drain(window).ok(); }
}

namespace {

void record(Worker& worker, const Completion& done, int times) {
  for (int i = 0; i < times; ++i) measured_record(worker, done);
}

/// Records while another thread drains. Returns the number of drains.
std::uint64_t record_while_drained(Worker& worker, const Completion& done, Reader& reader) {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> drains{0};
  std::thread drainer([&] {
    Window window;
    while (!stop.load(std::memory_order_relaxed)) {
      if (reader.drain(window).ok()) drains.fetch_add(1, std::memory_order_relaxed);
      std::this_thread::yield();
    }
  });
  while (drains.load(std::memory_order_relaxed) == 0) std::this_thread::yield();
  for (int i = 0; i < kMany; ++i) {
    measured_record(worker, done);
    if (i % (kMany / kDrains) == 0) std::this_thread::yield();
  }
  stop.store(true, std::memory_order_relaxed);
  drainer.join();
  return drains.load(std::memory_order_relaxed);
}

/// Does the same steps for the small schema, with its duration measured by the recorder.
bool measure_small() {
  const Small done{.bytes = 12};
  sluice::Recorder<Small> recorder({.threads = 1});
  Reader reader = recorder.add_reader();
  sluice::Worker<Small> worker = recorder.attach();
  Window window;
  for (int i = 0; i < 4; ++i) {
    measured_small_record(worker, done);
    if (!reader.drain(window).ok()) return false;
  }
  CALLGRIND_ZERO_STATS;
  measured_small_record(worker, done);
  CALLGRIND_DUMP_STATS_AT("first small record of an epoch");
  measured_small_record(worker, done);
  CALLGRIND_DUMP_STATS_AT("small record");
  for (int i = 0; i < kMany; ++i) measured_small_record(worker, done);
  CALLGRIND_DUMP_STATS_AT("many small records");
  return true;
}

}  // namespace

int main() {
  const Completion done = request();
  sluice::Recorder<Completion> recorder(
      {.threads = kSlots, .mode = static_cast<std::uint8_t>(sluice::wsgi::Mode::kDaemon)});
  Reader reader = recorder.add_reader();
  std::vector<Worker> workers;
  for (std::size_t i = 0; i < kSlots; ++i) workers.push_back(recorder.attach());
  Worker& worker = workers.front();
  Window window;
  const auto all_record = [&] {
    for (Worker& worker : workers) record(worker, done, 2);
  };
  for (int i = 0; i < 4; ++i) {  // afterwards both banks of every slot have been used and read
    all_record();
    if (!measured_drain(reader, window)) return 1;
  }

  CALLGRIND_ZERO_STATS;
  measured_record(worker, done);
  CALLGRIND_DUMP_STATS_AT("first record of an epoch");
  measured_record(worker, done);
  CALLGRIND_DUMP_STATS_AT("record");
  record(worker, done, kMany);
  CALLGRIND_DUMP_STATS_AT("many records");
  all_record();
  CALLGRIND_ZERO_STATS;
  if (!measured_drain(reader, window)) return 1;
  CALLGRIND_DUMP_STATS_AT("drain of 64 busy slots");
  if (!measured_drain(reader, window)) return 1;
  CALLGRIND_DUMP_STATS_AT("drain of 64 idle slots");
  const std::uint64_t drains = record_while_drained(worker, done, reader);
  CALLGRIND_DUMP_STATS_AT("many records and drains");

  if (!measure_small()) return 1;

  std::printf("%s\n%d\n%llu\n", recorder.asymmetric() ? "asymmetric" : "symmetric", kMany,
              static_cast<unsigned long long>(drains));
}
