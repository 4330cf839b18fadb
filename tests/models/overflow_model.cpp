// SPDX-License-Identifier: Apache-2.0
// Models overflow counters: several writers in one pair of banks that alternate.
#include "run.hpp"
#include "world.hpp"
// The code under test must be included after Relacy's atomics.
#include "sluice/detail/overflow_counters.hpp"

namespace sluice::models {
namespace {

/// One sum and the number of requests of a bank are watched.
template <class T, int kWriters, class TryWait>
struct Overflow : Suite<Overflow<T, kWriters, TryWait>, kWriters + 1> {
  using Counter = RelacySharedCounter;
  using Counters = detail::BasicOverflowCounters<RelacyAtomics, Counter, T>;

  void before() {
    overflow = std::make_unique<Counters>();
    for (auto& bank : overflow->banks) {
      watched.add(&bank.counts.sums[0]);
      watched.add(&bank.header.count);
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
      overflow->phaser.begin();
      overflow->record(duration_ns(n), Sample<T>::request(n), load.mode);
    }
  }

  /// Durations by which requests are told apart.
  static std::uint64_t duration_ns(std::uint64_t n) { return std::uint64_t{1} << n; }

  /// Collects as DrainCoordinator::take_overflow() does.
  void drain(TryWait try_wait) {
    detail::OverflowPhaser<RelacyAtomics>& phaser = overflow->phaser;
    if (const auto late = phaser.quiescent()) take(*late);
    phaser.flip();
    auto bank = phaser.quiescent();
    while (!bank && try_wait()) bank = phaser.quiescent();
    if (bank) take(*bank);
    check();
  }

  void take(std::size_t which) {
    static constexpr auto kShape = detail::OverflowShape::of<RelacyAtomics, Counter, T>();
    const detail::OverflowBankRef<Counter> bank =
        detail::OverflowRef<RelacyAtomics, Counter>(overflow.get(), kShape).bank(which);
    detail::LastRead& known = taken[which];
    if (bank.header.count.get() != known.count) {
      detail::take_delta(bank.header.count, known.count, window.request_count);
      detail::take_delta(bank.header.busy_ns, known.busy_ns, window.slots[0].busy_ns);
      detail::take_words(bank.sums, bank.extremes, words, known, window, 0);
    }
    for (std::size_t i = 0; i < schema_info<T>.extremes; ++i) bank.extremes[i].set(0);
    overflow->phaser.taken();
  }

  void check() {
    const Requests inside = told_by<T>(window);
    require((inside & seen) == 0, "a request twice");
    require(inside < (Requests{1} << served), "a request that never was");
    expected.clear_counts();
    for (std::uint64_t n = 0; n < served; ++n) {
      if ((inside >> n & 1) != 0) add_expected(Sample<T>::request(n), duration_ns(n), 0, expected);
    }
    require(window.request_count == expected.request_count, "the number of requests");
    require(window.sums == expected.sums, "the sums");
    require(window.extremes == expected.extremes, "the extremes");
    require(window.slot_values == expected.slot_values, "the values by slot");
    require(window.slots[0].busy_ns == inside, "the busy time");
    seen |= inside;
    window.clear_counts();
  }

  void after() {
    alone = true;
    drain(TryWait());
    drain(TryWait());
    require(seen == (Requests{1} << served) - 1, "a request in no window");
    require(overflow->phaser.in_flight() == 0, "in flight at the end");
    const std::uint64_t count = overflow->banks[0].header.count.get() + overflow->banks[1].header.count.get();
    require(count == served, "the lifetime count");
  }

  const detail::CountedWords words = detail::CountedWords::of(schema_info<T>, load.mode);
  std::unique_ptr<Counters> overflow;
  Watched<Counter::Watch> watched;
  detail::LastRead taken[2]{detail::LastRead(words.sums), detail::LastRead(words.sums)};
  Window window{schema_info<T>, load.mode, 1};
  Window expected{schema_info<T>, load.mode, 1};
  std::uint64_t served = 0;
  Requests seen = 0;
};

/// The scenarios of one schema.
template <class T>
void explore(Run& run) {
  run.of = Sample<T>::kName;
  run.explore<Overflow<T, 1, AlwaysWait>>("overflow: 1 writer, 1 record, 1 drain", {1, 1}, EverySchedule());
  run.explore<Overflow<T, 1, AlwaysWait>>("overflow: 1 writer, 3 records, 3 drains", {3, 3}, Preemptions{3});
  run.explore<Overflow<T, 1, NeverWait>>("overflow: 1 writer, 2 records, 2 drains, no waiting", {2, 2}, Preemptions{3});
  run.explore<Overflow<T, 2, AlwaysWait>>("overflow: 2 writers, 1 record, 2 drains", {1, 2}, Preemptions{3});
  run.explore<Overflow<T, 2, NeverWait>>("overflow: 2 writers, 2 records, 2 drains, no waiting", {2, 2},
                                         Preemptions{2});
  const unsigned schedules = long_run() ? 2'000'000 : 25'000;
  run.explore<Overflow<T, 3, NeverWait>>("overflow: 3 writers, 3 records, 4 drains", {3, 4},
                                         RandomSchedules{schedules});
}

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  Run run(argc, argv);
  explore<Call>(run);
  explore<sluice::wsgi::Completion>(run);
  return run.end();
}
