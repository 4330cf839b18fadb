// SPDX-License-Identifier: Apache-2.0
// Models processes that end while a reader reads. The counts of each process are in the reading once, whether they are
// in the region, in the totals, or the region belongs to another process by then.
#include "run.hpp"
#include "world.hpp"
// The code under test must be included after Relacy's atomics.
#include "sluice/detail/retired_series.hpp"
#include "sluice/detail/retired_totals.hpp"

namespace sluice::models {
namespace {

/// Counts are told apart by their weight. A count that is read twice shows as a digit of 2 in base 4.
constexpr std::uint64_t weight(int count) { return std::uint64_t{1} << (2 * count); }

constexpr bool has(std::uint64_t sum, int count) { return (sum >> (2 * count) & 3) == 1; }

enum Count : int { kLongAgo, kBefore, kLate, kOther, kNext, kCounts };

/// When the threads start, one process has ended and one is alive. The parent's thread also runs the processes that it
/// retires, because it has waited for them: what they did happens before what it does. The process that reuses a region
/// runs on a thread of its own from its fork on, and the parent publishes it after that.
///
/// With kSeries all counts are of one series, too, which the parent keeps beside the totals.
template <bool kReused, bool kSeries = false>
struct Retire : Suite<Retire<kReused, kSeries>, kReused ? 3 : 2> {
  using Fence = RelacySymmetricFence;
  using Totals = detail::RetiredTotals<RelacyAtomics, 1>;
  using Series = detail::RetiredSeries<RelacyAtomics>;
  static constexpr std::size_t kEntries = 2;
  static constexpr std::size_t kNumber = 1;  ///< The entry of the series.

  struct Region {
    detail::Occupancy<RelacyAtomics> occupancy;
    RelacyAtomic<std::uint32_t> of;    ///< Data of the process: here its own number.
    RelacyAtomic<std::uint64_t> word;  ///< Counts of the process.
    RelacyAtomic<std::uint64_t> of_series;

    void publish(std::uint32_t process) {
      of.store(process, std::memory_order_relaxed);
      occupancy.publish(process);
    }
    void count(int which) {
      word.store(word.load(std::memory_order_relaxed) + weight(which), std::memory_order_relaxed);
      if (kSeries)
        of_series.store(of_series.load(std::memory_order_relaxed) + weight(which), std::memory_order_relaxed);
    }
  };

  void before() {
    totals = std::make_unique<Totals>();
    retired_series = std::make_unique<std::array<typename Series::Word, Series::words_for(kEntries, 1)>>();
    forked = std::make_unique<RelacyAtomic<std::uint32_t>>();
    for (auto& region : regions) region = std::make_unique<Region>();
    regions[0]->publish(1);
    regions[0]->count(kLongAgo);
    retire(*regions[0]);
    regions[0]->publish(2);
    regions[0]->count(kBefore);
    alone = false;
  }

  void thread(unsigned index) {
    if (index == 0) {
      if (load.records > 0) regions[0]->count(kLate);
      retire(*regions[0]);
      if (kReused) {
        forked->store(1, std::memory_order_release);
        regions[0]->publish(4);
      }
      if (load.records < 2) return;
      regions[1]->publish(3);
      regions[1]->count(kOther);
      retire(*regions[1]);
    } else if (index == 1) {
      for (int i = 0; i < load.cuts; ++i) read();
    } else if (forked->load(std::memory_order_acquire) != 0) {
      regions[0]->count(kNext);
    }
  }

  void after() {
    alone = true;
    const std::uint64_t before = seen;
    read();
    require((before & ~seen) == 0, "a count that was seen is gone at the end");
    for (int count = kLongAgo; count <= (load.records < 2 ? kBefore : kOther); ++count) {
      require(has(seen, count), "a count is missing at the end");
    }
  }

  void retire(Region& region) {
    std::array<std::uint64_t, 1> sums{};
    totals->current(sums);
    sums[0] += region.word.load(std::memory_order_relaxed);
    if (kSeries) {
      const std::array<std::uint64_t, 1> amounts{region.of_series.load(std::memory_order_relaxed)};
      series().copy(totals->current_copy());
      series().add(totals->current_copy(), kNumber, amounts);
    }
    totals->template retire<Fence>(region.occupancy, sums, [&] {
      region.word.store(0, std::memory_order_relaxed);
      if (kSeries) region.of_series.store(0, std::memory_order_relaxed);
    });
  }

  [[nodiscard]] Series series() const { return {retired_series->data(), kEntries, 1}; }

  void read() {
    std::array<std::uint64_t, 1> sums{};
    std::uint64_t in_series = 0;
    bool same_process = true;
    const bool coherent = totals->template read<Fence>(sums, [&](const auto& incarnation_of) {
      if (kSeries) {
        series().for_each(incarnation_of.copy, [&](std::size_t number, const auto& words) {
          require(number == kNumber, "a series that no process has used");
          in_series += words[0].load(std::memory_order_relaxed);
        });
      }
      for (const auto& region : regions) {
        const std::uint64_t incarnation = incarnation_of(region->occupancy);
        if (incarnation == 0) continue;
        same_process = same_process && region->of.load(std::memory_order_relaxed) == incarnation;
        sums[0] += region->word.load(std::memory_order_relaxed);
        if (kSeries) in_series += region->of_series.load(std::memory_order_relaxed);
      }
      return true;
    });
    if (!coherent) return;
    require(same_process, "what is known of a process is not of it");
    for (int count = 0; count < kCounts; ++count) require((sums[0] >> (2 * count) & 3) <= 1, "a count twice");
    require(sums[0] < weight(kCounts), "a count that never was");
    require(has(sums[0], kLongAgo) && has(sums[0], kBefore), "a count is missing");
    require((seen & ~sums[0]) == 0, "a count that was seen is gone");
    seen = sums[0];
    if (!kSeries) return;
    for (int count = 0; count < kCounts; ++count) require((in_series >> (2 * count) & 3) <= 1, "a count twice");
    require(has(in_series, kLongAgo) && has(in_series, kBefore), "a count of the series is missing");
    require((seen_in_series & ~in_series) == 0, "a count of the series that was seen is gone");
    seen_in_series = in_series;
  }

  std::unique_ptr<Totals> totals;
  std::array<std::unique_ptr<Region>, 2> regions;
  std::unique_ptr<RelacyAtomic<std::uint32_t>> forked;
  std::unique_ptr<std::array<typename Series::Word, Series::words_for(kEntries, 1)>> retired_series;
  std::uint64_t seen = 0;
  std::uint64_t seen_in_series = 0;
};

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  Run run(argc, argv);
  run.explore<Retire<false>>("retire: 1 end, 1 reading", {.records = 0, .cuts = 1}, EverySchedule());
  run.explore<Retire<true>>("retire: 1 end, 1 reuse, 1 reading", {.records = 0, .cuts = 1}, Preemptions{4});
  run.explore<Retire<true>>("retire: 1 late count, 1 end, 1 reuse, 2 readings", {.records = 1, .cuts = 2},
                            Preemptions{3});
  run.explore<Retire<false>>("retire: 2 ends, 1 reading", {.records = 2, .cuts = 1}, Preemptions{3});
  run.explore<Retire<false, true>>("retire series: 1 end, 1 reading", {.records = 0, .cuts = 1}, Preemptions{4});
  run.explore<Retire<true, true>>("retire series: 1 late count, 1 end, 1 reuse, 1 reading", {.records = 1, .cuts = 1},
                                  Preemptions{3});
  run.explore<Retire<false, true>>("retire series: 2 ends, 1 reading", {.records = 2, .cuts = 1}, Preemptions{3});
  const unsigned schedules = long_run() ? 2'000'000 : 50'000;
  run.explore<Retire<true>>("retire: 2 ends, 1 reuse, 3 readings", {.records = 2, .cuts = 3},
                            RandomSchedules{schedules});
  run.explore<Retire<true, true>>("retire series: 2 ends, 1 reuse, 3 readings", {.records = 2, .cuts = 3},
                                  RandomSchedules{schedules});
  return run.end();
}
