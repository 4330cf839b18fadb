// SPDX-License-Identifier: Apache-2.0
// Tests the recorder under load, until there were enough records, threads, drains and windows. Records alone prove
// little: bugs show with a reader that never rests and with new threads. tests/mutants checks that such load notices
// mistakes.
#include <atomic>
#include <cstdint>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "allocations.hpp"
#include "audit.hpp"
#include "phases.hpp"
#include "pinned.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

/// Serves requests one after the other without reading a clock: the instants are made up.
void serve(Worker& worker, const Mix& mix, Tally& tally, std::uint64_t requests, std::uint64_t& now_ns) {
  for (std::uint64_t i = 0; i < requests; ++i) {
    const std::size_t which = tally.next();
    Request request = worker.begin(++now_ns);
    request.finish(mix[which], now_ns);
  }
}

void drain_once(Reader& reader, Window& window, Audit& audit) {
  if (!reader.drain(window).ok()) {
    audit.complain("a drain failed");
    return;
  }
  audit.add(window);
}

Counts sum(const Mix& mix, const std::vector<Tally>& tallies) {
  Tally all(0);
  for (const Tally& tally : tallies) all.add(tally);
  return mix.counts(all.served());
}

std::vector<Tally> tallies(std::size_t count) {
  std::vector<Tally> all;
  for (std::size_t i = 0; i < count; ++i) all.emplace_back(i * 7);
  return all;
}

/// Runs writers until they have served a number of requests and the calling thread has drained a number of times, with
/// requests in at least a tenth of the windows.
struct Load {
  std::size_t writers;
  std::uint64_t drains;
  std::uint64_t records;
  std::uint64_t allocations = 0;  ///< Result: allocations while writers served and the reader drained.
};

void run(Load& load, Recorder& recorder, const Mix& mix, std::vector<Tally>& served, Audit& audit) {
  constexpr std::uint64_t kAtATime = 256;
  Reader reader = recorder.add_reader();
  std::atomic<bool> stop{false};
  std::atomic<std::size_t> ready{0};
  std::atomic<std::uint64_t> records{0};
  std::vector<std::thread> threads;
  for (std::size_t w = 0; w < load.writers; ++w) {
    threads.emplace_back([&, w] {
      const Pinned pinned(w + 1);
      Worker worker = recorder.attach();
      Tally tally = served[w];
      std::uint64_t now_ns = monotonic_ns();
      ready.fetch_add(1);
      while (!stop.load(std::memory_order_relaxed)) {
        serve(worker, mix, tally, kAtATime, now_ns);
        records.fetch_add(kAtATime, std::memory_order_relaxed);
      }
      served[w] = tally;
    });
  }
  const Pinned pinned(0);
  Window window;
  while (ready.load() < load.writers) std::this_thread::yield();
  for (int i = 0; i < 3; ++i) drain_once(reader, window, audit);
  const std::uint64_t before = allocations();
  while (audit.drains() < load.drains || audit.windows() < load.drains / 10 ||
         records.load(std::memory_order_relaxed) < load.records) {
    drain_once(reader, window, audit);
  }
  load.allocations = allocations() - before;
  stop = true;
  for (std::thread& thread : threads) thread.join();
  drain_once(reader, window, audit);
}

}  // namespace

TEST_CASE("endurance: few writers and a reader that never rests lose and double nothing") {
  const bool allow_membarrier = GENERATE(true, false);
  // With the reader two or three threads; small machines have two processors.
  const std::size_t writers = GENERATE(1U, 2U);
  const std::uint64_t from = seed();
  CAPTURE(from, allow_membarrier, writers);
  const Mix mix(from, Mode::kDaemon);
  Recorder recorder({.threads = writers, .mode = Mode::kDaemon, .allow_membarrier = allow_membarrier});
  Audit audit;
  std::vector<Tally> served = tallies(writers);
  Load load{.writers = writers, .drains = tier(260'000, 3'000'000), .records = tier(4'000'000, 40'000'000)};
  run(load, recorder, mix, served, audit);
  audit.print("few writers", 0);
  CHECK(audit.first_broken() == "");
  CHECK(audit.broken() == 0);
  CHECK(sum(mix, served).difference(audit.counts()) == "");
  CHECK(recorder.totals().request_count == audit.counts().requests);
  CHECK(load.allocations == 0);
}

// With so many threads the kernel stops most writers inside a record while the reader drains.
TEST_CASE("endurance: 64 writers at once lose and double nothing, and allocate nothing") {
  const bool allow_membarrier = GENERATE(true, false);
  constexpr std::size_t kWriters = 64;
  const std::uint64_t from = seed();
  CAPTURE(from, allow_membarrier);
  const Mix mix(from, Mode::kDaemon);
  Recorder recorder({.threads = kWriters, .mode = Mode::kDaemon, .allow_membarrier = allow_membarrier});
  Audit audit;
  std::vector<Tally> served = tallies(kWriters);
  Load load{.writers = kWriters, .drains = tier(2'000, 10'000), .records = tier(60'000'000, 700'000'000)};
  run(load, recorder, mix, served, audit);
  audit.print("many writers", kWriters);
  CHECK(audit.first_broken() == "");
  CHECK(audit.broken() == 0);
  CHECK(sum(mix, served).difference(audit.counts()) == "");
  CHECK(recorder.totals().request_count == audit.counts().requests);
  CHECK(load.allocations == 0);
}

namespace {

/// A thread that keeps its slot until it is told to end, so that many exist at once.
struct Life {
  std::binary_semaphore end{0};
  std::thread thread;
};

/// Counts the threads that have a worker, and the maximum.
class Population {
 public:
  void enter() {
    const std::size_t now = living_.fetch_add(1) + 1;
    std::size_t seen = peak_.load();
    while (seen < now && !peak_.compare_exchange_weak(seen, now)) {
    }
  }
  void leave() { living_.fetch_sub(1); }
  [[nodiscard]] std::size_t peak() const { return peak_.load(); }

 private:
  std::atomic<std::size_t> living_{0};
  std::atomic<std::size_t> peak_{0};
};

}  // namespace

TEST_CASE("endurance: 64 threads born and dying lose and double nothing, and need no more slots than live at once") {
  const bool allow_membarrier = GENERATE(true, false);
  constexpr std::size_t kNurseries = 2;
  constexpr std::size_t kAtOnce = 32;
  const std::uint64_t from = seed();
  CAPTURE(from, allow_membarrier);
  const Mix mix(from, Mode::kEmbedded);
  Recorder recorder({.threads = 256, .allow_membarrier = allow_membarrier});
  Reader reader = recorder.add_reader();
  std::vector<Tally> served = tallies(kNurseries * kAtOnce);
  std::atomic<std::size_t> nurseries{kNurseries};
  std::atomic<std::uint64_t> births{0};
  std::atomic<std::uint64_t> overflowed{0};
  Population population;

  const auto live = [&](Tally& tally, Life& life, std::uint64_t number) {
    population.enter();
    {
      Worker worker = recorder.attach();
      if (!worker.has_slot()) overflowed.fetch_add(1);
      std::uint64_t now_ns = number + 1;
      serve(worker, mix, tally, number % 5 + 1, now_ns);
      life.end.acquire();
      serve(worker, mix, tally, number % 3, now_ns);
    }
    population.leave();
  };
  const std::uint64_t per_nursery = tier(65'000, 270'000) / kNurseries;
  std::vector<std::thread> threads;
  for (std::size_t n = 0; n < kNurseries; ++n) {
    threads.emplace_back([&, n] {
      std::vector<Life> lives(kAtOnce);
      for (std::uint64_t i = 0; i < per_nursery; ++i) {
        const std::size_t index = i % kAtOnce;
        Life& life = lives[index];
        if (life.thread.joinable()) {
          life.end.release();
          life.thread.join();
        }
        life.thread = std::thread(live, std::ref(served[n * kAtOnce + index]), std::ref(life), i);
        births.fetch_add(1, std::memory_order_relaxed);
      }
      for (Life& life : lives) {
        if (!life.thread.joinable()) continue;
        life.end.release();
        life.thread.join();
      }
      nurseries.fetch_sub(1);
    });
  }
  Audit audit;
  Window window;
  while (nurseries.load() > 0) drain_once(reader, window, audit);
  for (std::thread& thread : threads) thread.join();
  drain_once(reader, window, audit);

  audit.print("born and dying", births.load());
  CHECK(audit.first_broken() == "");
  CHECK(audit.broken() == 0);
  CHECK(sum(mix, served).difference(audit.counts()) == "");
  CHECK(recorder.totals().request_count == audit.counts().requests);
  CHECK(population.peak() > kAtOnce);
  CHECK(audit.slots() <= population.peak() + 2);
  CHECK(overflowed == 0);
}

}  // namespace sluice::test
