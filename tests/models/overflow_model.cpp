// SPDX-License-Identifier: Apache-2.0
// Models overflow counters: several writers in one pair of banks that alternate.
#include "run.hpp"
#include "world.hpp"
// The code under test must be included after Relacy's atomics.
#include "sluice/detail/overflow_counters.hpp"

namespace sluice::models {
namespace {

/// Requests are told apart by their output bytes, from which every other field follows.
template <int kWriters, class TryWait>
struct Overflow : Suite<Overflow<kWriters, TryWait>, kWriters + 1> {
  using Counter = RelacySharedCounter;
  using Phaser = detail::BasicOverflowCounters<RelacyAtomics, Counter>;

  void before() {
    overflow = std::make_unique<Phaser>();
    window.slots.resize(1);
    for (int i = 0; i < 2; ++i) {
      overflow->flip();
      auto* const bank = overflow->quiescent();
      watched.add(&bank->sums.total_us[0]);
      watched.add(&bank->count);
      overflow->taken();
    }
    alone = false;
  }

  void thread(unsigned index) {
    if (index == kWriters) {
      for (int i = 0; i < load.cuts; ++i) drain(TryWait());
      return;
    }
    for (int i = 0; i < load.records; ++i) {
      const std::uint64_t n = served++;
      overflow->begin();
      const std::uint64_t bytes = std::uint64_t{1} << n;
      overflow->record(bytes, {.server_us = bytes, .output_bytes = bytes}, kEmbeddedPhases);
    }
  }

  /// Collects as DrainCoordinator::take_overflow() does.
  void drain(TryWait try_wait) {
    if (auto* const late = overflow->quiescent(); late != nullptr) take(*late);
    overflow->flip();
    auto* bank = overflow->quiescent();
    while (bank == nullptr && try_wait()) bank = overflow->quiescent();
    if (bank != nullptr) take(*bank);
    check();
  }

  void take(typename Phaser::Bank& bank) {
    detail::LastRead& known = taken[overflow->index_of(bank)];
    if (bank.count.get() != known.count) {
      detail::take_delta(bank.count, known.count, window.request_count);
      detail::take_delta(bank.busy_ns, known.busy_ns, window.slots[0].busy_ns);
      detail::take_sums(bank.sums, known, window, window.slots[0]);
    }
    overflow->taken();
  }

  void check() {
    const Requests inside = window.output_bytes;
    require((inside & seen) == 0, "a request twice");
    require(inside < (Requests{1} << served), "a request that never was");
    require(window.request_count == static_cast<std::uint64_t>(std::popcount(inside)), "the number of requests");
    require(window[Phase::kServer].total_us == inside, "the total of a phase");
    require(window[Phase::kServer].largest_us == std::bit_floor(inside), "the largest of a phase");
    require(window.slots[0].busy_ns == inside, "the busy time");
    seen |= inside;
    window.clear_counts();
  }

  void after() {
    alone = true;
    drain(TryWait());
    drain(TryWait());
    require(seen == (Requests{1} << served) - 1, "a request in no window");
    require(overflow->in_flight() == 0, "in flight at the end");
    require(overflow->lifetime_count() == served, "the lifetime count");
  }

  std::unique_ptr<Phaser> overflow;
  Watched<Counter::Watch> watched;
  detail::LastRead taken[2];
  Window window;
  std::uint64_t served = 0;
  Requests seen = 0;
};

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  Run run(argc, argv);
  run.explore<Overflow<1, AlwaysWait>>("overflow: 1 writer, 1 record, 1 drain", {1, 1}, EverySchedule());
  run.explore<Overflow<1, AlwaysWait>>("overflow: 1 writer, 3 records, 3 drains", {3, 3}, Preemptions{3});
  run.explore<Overflow<1, NeverWait>>("overflow: 1 writer, 2 records, 2 drains, no waiting", {2, 2}, Preemptions{3});
  run.explore<Overflow<2, AlwaysWait>>("overflow: 2 writers, 1 record, 2 drains", {1, 2}, Preemptions{3});
  run.explore<Overflow<2, NeverWait>>("overflow: 2 writers, 2 records, 2 drains, no waiting", {2, 2}, Preemptions{2});
  const unsigned schedules = long_run() ? 2'000'000 : 50'000;
  run.explore<Overflow<3, NeverWait>>("overflow: 3 writers, 3 records, 4 drains", {3, 4}, RandomSchedules{schedules});
  return run.end();
}
