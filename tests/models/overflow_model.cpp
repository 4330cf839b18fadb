// SPDX-License-Identifier: Apache-2.0
// Models overflow counters: several writers in stripes, each with a pair of banks that alternate.
#include "run.hpp"
#include "world.hpp"
// The code under test must be included after Relacy's atomics.
#include "sluice/detail/overflow_counters.hpp"
#include "sluice/detail/overflow_series.hpp"

namespace sluice::models {
namespace {

/// One sum of each bank is watched. A writer begins each request in one stripe and ends it in the next, as a thread
/// does that migrates to another CPU; which stripe a CPU has is of no consequence to the algorithm. With kSeries every
/// second request is of a series.
template <class T, int kWriters, class TryWait, std::size_t kStripes = 1, bool kSeries = false>
struct Overflow : Suite<Overflow<T, kWriters, TryWait, kStripes, kSeries>, kWriters + 1> {
  using Counter = RelacySharedCounter;
  using Counters = detail::BasicOverflowCounters<RelacyAtomics, Counter, T, kStripes>;
  using Ref = detail::OverflowRef<RelacyAtomics, Counter>;
  using Writer = detail::OverflowSeriesWriter<RelacyAtomics, Counter, T>;

  /// The one series of a stripe, laid out as readers find it.
  struct Series {
    alignas(2 * detail::kLine) RelacyAtomic<std::uint64_t> marks[4];
    alignas(2 * detail::kLine) detail::OverflowSeriesCell<Counter, T> cell;
  };

  void before() {
    overflow = std::make_unique<Counters>();
    for (auto& stripe : overflow->stripes) {
      for (auto& bank : stripe.banks) watched.add(&bank.counts.sums[0]);
    }
    if (kSeries) series = std::make_unique<std::array<Series, kStripes>>();
    for (std::size_t i = 0; kSeries && i < kStripes; ++i) {
      for (auto& bank : (*series)[i].cell.banks) watched.add(&bank.counts.sums[0]);
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
      const std::size_t stripe = (index + static_cast<std::size_t>(i)) % kStripes;
      overflow->control.use(stripe);
      overflow->stripes[stripe].phaser.begin();
      const std::size_t ends_in = (stripe + 1) % kStripes;
      if (kSeries && n % 2 == 0) {
        const Writer select(block(ends_in), 1, 1);
        overflow->record(ends_in, duration_ns(n), Sample<T>::request(n), load.mode, select);
      } else {
        overflow->record(ends_in, duration_ns(n), Sample<T>::request(n), load.mode);
      }
    }
  }

  /// Durations by which requests are told apart.
  static std::uint64_t duration_ns(std::uint64_t n) { return std::uint64_t{1} << n; }

  [[nodiscard]] Ref ref() const {
    static constexpr auto kShape = detail::OverflowShape::of<RelacyAtomics, Counter, T>();
    return {overflow.get(), kShape, kStripes};
  }

  [[nodiscard]] std::byte* block(std::size_t stripe) const { return reinterpret_cast<std::byte*>(&(*series)[stripe]); }

  /// Collects as DrainCoordinator::take_overflow_series() does.
  void take_series(std::size_t stripe, std::size_t which) {
    static constexpr auto kShape = detail::OverflowSeriesShape::of<RelacyAtomics, Counter, T>();
    require(kShape.cells_at(1) == offsetof(Series, cell), "the layout of series");
    const detail::OverflowSeriesRef<RelacyAtomics, Counter> ref(block(stripe), kShape, 1);
    ref.for_each_touched(which, [&](std::uint32_t, const auto& bank) {
      detail::LastRead& last = taken_series[stripe][which];
      detail::take_delta(bank.count, last.count, in_series);
      detail::take_words(bank.sums, bank.extremes, words, last,
                         {window.sums.data(), window.extremes.data(), detail::slot_values_in(window, 0)});
      for (std::size_t i = 0; i < schema_info<T>.extremes; ++i) bank.extremes[i].set(0);
    });
    ref.clear_marks(which);
  }

  /// Collects as DrainCoordinator::take_overflow() does.
  void drain(TryWait try_wait) {
    bool used[kStripes];
    for (std::size_t i = 0; i < kStripes; ++i) used[i] = overflow->control.is_used(i);
    for (std::size_t i = 0; i < kStripes; ++i) {
      if (!used[i]) continue;
      detail::OverflowPhaser<RelacyAtomics>& phaser = overflow->stripes[i].phaser;
      if (const auto late = phaser.quiescent()) take(i, *late);
      phaser.flip();
    }
    for (std::size_t i = 0; i < kStripes; ++i) {
      if (!used[i]) continue;
      detail::OverflowPhaser<RelacyAtomics>& phaser = overflow->stripes[i].phaser;
      auto bank = phaser.quiescent();
      while (!bank && phaser.is_closing() && try_wait()) bank = phaser.quiescent();
      if (bank) take(i, *bank);
    }
    check();
  }

  void take(std::size_t stripe, std::size_t which) {
    const auto bank = ref().stripe(stripe).bank(which);
    detail::LastRead& last = taken[stripe][which];
    const std::uint64_t now = bank.header.count.load(std::memory_order_relaxed);
    if (now != last.count) {
      window.request_count += now - std::exchange(last.count, now);
      detail::take_delta(bank.header.busy_ns, last.busy_ns, window.slots[0].busy_ns);
      if (kSeries) take_series(stripe, which);
      detail::take_words(bank.sums, bank.extremes, words, last,
                         {window.sums.data(), window.extremes.data(), detail::slot_values_in(window, 0)});
    }
    for (std::size_t i = 0; i < schema_info<T>.extremes; ++i) bank.extremes[i].set(0);
    overflow->stripes[stripe].phaser.taken();
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
    constexpr Requests kEven = 0x5555555555555555;  // every second request is of the series
    require(!kSeries || in_series == static_cast<std::uint64_t>(std::popcount(inside & kEven)), "the series");
    in_series = 0;
    seen |= inside;
    window.clear_counts();
    const std::uint64_t in_flight = ref().in_flight();
    require(in_flight <= served - static_cast<std::uint64_t>(std::popcount(seen)), "in flight, but never begun");
  }

  void after() {
    alone = true;
    drain(TryWait());
    drain(TryWait());
    require(seen == (Requests{1} << served) - 1, "a request in no window");
    require(ref().in_flight() == 0, "in flight at the end");
    require(ref().lifetime_count() == served, "the lifetime count");
  }

  std::vector<std::vector<detail::LastRead>> last_reads() const {
    std::vector<std::vector<detail::LastRead>> reads(kStripes);
    for (auto& stripe : reads) {
      for (int bank = 0; bank < 2; ++bank) stripe.emplace_back(words.sums);
    }
    return reads;
  }

  const detail::CountedWords words = detail::CountedWords::of(schema_info<T>, load.mode);
  std::unique_ptr<Counters> overflow;
  Watched<Counter::Watch> watched;
  std::vector<std::vector<detail::LastRead>> taken = last_reads();
  std::unique_ptr<std::array<Series, kStripes>> series;
  std::vector<std::vector<detail::LastRead>> taken_series = last_reads();
  std::uint64_t in_series = 0;  ///< Requests of the series in the window.
  Window window{schema_info<T>, load.mode, 1};
  Window expected{schema_info<T>, load.mode, 1};
  std::uint64_t served = 0;
  Requests seen = 0;
};

/// Two writers record requests of one series in one stripe, while another process reads. It sees the series of each
/// request that it has counted, whichever writer has marked the series.
template <class T>
struct ForeignSeries : Suite<ForeignSeries<T>, 3> {
  using Of = Overflow<T, 2, NeverWait, 1, true>;
  using Counter = typename Of::Counter;

  void before() {
    overflow = std::make_unique<typename Of::Counters>();
    series = std::make_unique<typename Of::Series>();
    alone = false;
  }

  void thread(unsigned index) {
    for (int i = 0; index < 2 && i < load.records; ++i) {
      const typename Of::Writer select(block(), 1, 1);
      overflow->record(0, 1, Sample<T>::request(0), load.mode, select);
    }
    for (int i = 0; index == 2 && i < load.cuts; ++i) read();
  }

  void after() {
    alone = true;
    read();
    require(seen == 2 * static_cast<std::uint64_t>(load.records), "a request is missing at the end");
  }

  void read() {
    static constexpr auto kShape = detail::OverflowSeriesShape::of<RelacyAtomics, Counter, T>();
    const detail::OverflowSeriesRef<RelacyAtomics, Counter> ref(block(), kShape, 1);
    std::uint64_t ended = 0;
    for (const auto& bank : overflow->stripes[0].banks) ended += bank.header.count.load(std::memory_order_acquire);
    std::uint64_t counted = 0;
    for (const std::size_t which : {0U, 1U}) {
      ref.for_each_used(which, [&](std::uint32_t, const auto& bank) { counted += bank.count.get(); });
    }
    require(counted >= ended, "a request has ended, and its series has no mark");
    require(counted >= seen, "a request that was seen is gone");
    seen = counted;
  }

  [[nodiscard]] std::byte* block() const { return reinterpret_cast<std::byte*>(series.get()); }

  Watched<typename Counter::Watch> watched;  ///< None: counters are plain numbers.
  std::unique_ptr<typename Of::Counters> overflow;
  std::unique_ptr<typename Of::Series> series;
  std::uint64_t seen = 0;
};

/// The scenarios of one schema.
template <class T>
void explore(Run& run) {
  run.of = Sample<T>::kName;
  run.explore<Overflow<T, 1, AlwaysWait>>("overflow: 1 writer, 1 record, 1 drain", {1, 1}, EverySchedule());
  run.explore<Overflow<T, 1, AlwaysWait>>("overflow: 1 writer, 3 records, 3 drains", {3, 3}, Preemptions{3});
  run.explore<Overflow<T, 1, NeverWait>>("overflow: 1 writer, 2 records, 2 drains, no waiting", {2, 2}, Preemptions{3});
  run.explore<Overflow<T, 2, AlwaysWait>>("overflow: 2 writers, 1 record, 2 drains", {1, 2},
                                          Preemptions{long_run() ? 3U : 2U});
  if (searches_large<T>()) {
    run.explore<Overflow<T, 2, NeverWait>>("overflow: 2 writers, 2 records, 2 drains, no waiting", {2, 2},
                                           Preemptions{2});
    run.explore<Overflow<T, 2, NeverWait, 1, true>>("overflow: 2 writers, a series, 1 record, 2 drains, no waiting",
                                                    {1, 2}, Preemptions{2});
  }
  run.explore<Overflow<T, 1, AlwaysWait, 2>>("overflow: 1 writer that migrates, 1 record, 1 drain", {1, 1},
                                             Preemptions{2});
  run.explore<Overflow<T, 1, AlwaysWait, 2>>("overflow: 1 writer that migrates, 2 records, 2 drains", {2, 2},
                                             Preemptions{2});
  run.explore<Overflow<T, 2, NeverWait, 2>>("overflow: 2 writers that migrate, 1 record, 1 drain, no waiting", {1, 1},
                                            Preemptions{2});
  run.explore<ForeignSeries<T>>("overflow: 2 writers of a series, 1 record, 2 readings in another process", {1, 2},
                                Preemptions{3});
  const unsigned schedules = long_run() ? 2'000'000 : 25'000;
  run.explore<Overflow<T, 3, NeverWait, 2, true>>("overflow: 3 writers that migrate, a series, 3 records, 4 drains",
                                                  {3, 4}, RandomSchedules{schedules});
  run.explore<Overflow<T, 3, NeverWait>>("overflow: 3 writers, 3 records, 4 drains", {3, 4},
                                         RandomSchedules{schedules});
  run.explore<Overflow<T, 3, NeverWait, 2>>("overflow: 3 writers that migrate, 3 records, 4 drains", {3, 4},
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
