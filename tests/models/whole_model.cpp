// SPDX-License-Identifier: Apache-2.0
// Models slots that another process reads while their owners record. Whole readings consist of whole requests, also on
// machines that reorder the stores of a thread.
#include "run.hpp"
#include "world.hpp"
// The code under test must be included after Relacy's atomics.
#include "sluice/detail/whole_slots.hpp"

namespace sluice::models {
namespace {

/// The fence of a reader in another process, between the counters and the second load of the sequence.
template <std::size_t kSlots>
struct BarrierOfReader {
  static constexpr std::size_t kSlotsAtOnce = kSlots;
  static void heavy() noexcept { static_cast<void>(RelacyAsymmetricFence::heavy()); }
};

struct FenceOfReader {
  static constexpr std::size_t kSlotsAtOnce = 1;
  static void heavy() noexcept { rl::atomic_thread_fence(rl::mo_acquire, RL_INFO); }
};

struct StrongestFenceOfReader {
  static constexpr std::size_t kSlotsAtOnce = 1;
  static void heavy() noexcept { rl::atomic_thread_fence(rl::mo_seq_cst, RL_INFO); }
};

constexpr std::size_t kSeriesMost = 2;

/// The sums that the reader computes for a slot.
struct Sums {
  std::uint64_t count = 0;
  std::uint64_t busy_ns = 0;
  std::uint64_t longest_ns = 0;
  /// Sums of the field that tells which requests are in it, without labels and of each series.
  std::array<std::uint64_t, kSeriesMost + 1> told{};
};

/// Thread i < kWriters has slot i, and the next thread reads. With kCuts a further thread makes cuts in the process of
/// the writers, reduced to the part that writers see: it stores new epochs. Requests take turns among no series and the
/// `kSeries` series. With kExtremes the longest request is read, too.
template <class T, int kWriters, class WriterFence, class ReaderFence, bool kCuts = false, std::size_t kSeries = 0,
          bool kExtremes = false>
struct Whole
    : Suite<Whole<T, kWriters, WriterFence, ReaderFence, kCuts, kSeries, kExtremes>, kWriters + (kCuts ? 2 : 1)> {
  using Atomics = RelacyReadAtomics;
  using Slot = detail::Slot<Atomics, T>;
  using Block = SeriesBlock<Atomics, T, kSeriesMost>;
  static constexpr std::size_t kWord = schema_info<T>.fields[Sample<T>::kTells].sum;
  /// The extreme that is the longest duration.
  static constexpr std::size_t kLongest = [] {
    std::size_t i = 0;
    while (schema_info<T>.fields[i].kind != FieldKind::kMaximum) ++i;
    return schema_info<T>.fields[i].extreme;
  }();
  /// Duration of the first request of a slot. Each has half of the one before, so that the longest one lies in an
  /// earlier epoch.
  static constexpr std::uint64_t kFirstNs = 1 << 7;

  void before() {
    epoch = std::make_unique<detail::Epoch<Atomics>>();
    uncollected = std::make_unique<std::array<detail::UncollectedExtremes<Atomics>, kWriters>>();
    slots = std::make_unique<std::array<Slot, kWriters>>();
    watched = std::make_unique<Watched<RelacyReadCounter::Watch>>();
    for (Slot& slot : *slots) {
      for (auto& bank : slot.banks) watched->add(&bank.counts.sums[kWord]);
      if (!kExtremes) continue;
      watched->add(&slot.banks[0].counts.extremes[kLongest]);
      watched->add(&slot.banks[0].earlier[kLongest]);
    }
    if (kSeries != 0) blocks = std::make_unique<std::array<Block, kWriters>>();
    for (std::size_t i = 0; kSeries != 0 && i < kWriters; ++i) {
      for (auto& cell : (*blocks)[i].cells) {
        for (auto& bank : cell.banks) watched->add(&bank.counts.sums[kWord]);
      }
    }
    for (std::size_t i = 0; i < kWriters; ++i) serve(i);
    for (std::size_t i = 0; kSeries != 0 && i < kWriters; ++i) set_series_writer((*blocks)[i], static_cast<int>(i));
    for (std::size_t i = 0; i < kWriters; ++i) {
      set_writer((*slots)[i], static_cast<int>(i));
      for (auto& cell : (*uncollected)[i].banks) cell.set_constant();
    }
    if (kCuts) {
      epoch->value.store(1, std::memory_order_relaxed);  // the next cut opens the bank of the first request again
      epoch->value.set_writer(kWriters + 1);
    } else {
      epoch->value.set_constant();
    }
    alone = false;
  }

  void thread(unsigned index) {
    if (index < kWriters) {
      for (int i = 0; i < load.records; ++i) serve(index);
    } else if (index == kWriters) {
      for (int i = 0; i < load.cuts; ++i) read();
    } else {
      epoch->value.store(epoch->value.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }
  }

  void after() {
    alone = true;
    read();
    for (std::size_t i = 0; i < kWriters; ++i) require(seen[i].count == served[i], "a request is missing at the end");
  }

  /// Serves a request. Requests of a slot are told apart by the bits of their durations and of one sum.
  void serve(std::size_t i) {
    const std::uint32_t series = series_of(served[i]);
    const std::uint64_t duration_ns = kFirstNs >> served[i];
    const std::uint64_t weight = std::uint64_t{1} << served[i]++;
    const std::uint64_t start_ns = tick();
    (*slots)[i].header.begin(start_ns);
    const detail::RecordTarget<Atomics, T> target{
        .slot = &(*slots)[i], .epoch = epoch.get(), .uncollected = &(*uncollected)[i], .mode = load.mode};
    if (series == 0) {
      detail::record<WriterFence>(target, start_ns, start_ns + duration_ns, Sample<T>::weighing(weight));
    } else {
      const detail::SeriesWriter<Atomics, T> select(array().series_block(i), series);
      detail::record<WriterFence>(target, start_ns, start_ns + duration_ns, Sample<T>::weighing(weight), select);
    }
  }

  /// Returns the series of a request of a slot; 0: none.
  static constexpr std::uint32_t series_of(std::uint64_t n) { return static_cast<std::uint32_t>(n % (kSeries + 1)); }

  detail::SlotArray<Atomics> array() {
    auto array = array_of<Atomics, T>(epoch.get(), nullptr, uncollected->data(), slots->data(), kWriters);
    if (kSeries == 0) return array;
    array.series = reinterpret_cast<std::byte*>(blocks->data());
    array.series_shape = detail::SeriesShape::of<Atomics, T>();
    array.series_size = kSeriesMost;
    check_layout<Block>(array.series_shape, kSeriesMost);
    return array;
  }

  void read() {
    std::size_t i = 0;
    const detail::SlotArray<Atomics> all = array();
    std::array<detail::SlotReading<Atomics, Sums>, ReaderFence::kSlotsAtOnce> readings;
    detail::read_whole_slots<ReaderFence>(
        all, kWriters, readings,
        [&](std::size_t slot, Sums& sums, detail::Reach) {
          sums = {};
          for (const std::size_t which : {0U, 1U}) {
            const detail::BankRef<Atomics> bank = all.slot(slot).bank(which);
            sums.told[0] += bank.sums[kWord].get();
            sums.longest_ns = std::max({sums.longest_ns, bank.extremes[kLongest].get(), bank.earlier[kLongest].get()});
            sums.count += bank.header.count.load(std::memory_order_relaxed);
            sums.busy_ns += bank.header.busy_ns.load(std::memory_order_relaxed);
          }
          if (kSeries == 0 || !all.series_of(slot).is_used()) return;
          for (const std::size_t which : {0U, 1U}) {
            all.series_of(slot).for_each_used(
                which, [&](std::uint32_t series, const auto& bank) { sums.told[series] += bank.sums[kWord].get(); });
          }
        },
        [&](const auto& reading) {
          if (reading.whole) check(reading, seen[i]);
          ++i;
        },
        kTries);
    require(i == kWriters, "a slot is left out");
  }

  template <class Reading>
  static void check(const Reading& reading, Sums& last) {
    const Sums& sums = reading.counts;
    require(sums.count == reading.sequence / 2, "requests that the sequence does not count");
    std::array<std::uint64_t, kSeriesMost + 1> weights{};
    for (std::uint64_t n = 0; n < sums.count; ++n) weights[series_of(n)] += std::uint64_t{1} << n;
    require(sums.busy_ns == 2 * kFirstNs - (2 * kFirstNs >> sums.count), "a request in part");
    require(!kExtremes || sums.longest_ns == (sums.count == 0 ? 0 : kFirstNs), "the longest request is not told");
    require(sums.told == weights, "a request in part, or in another series");
    require(sums.count >= last.count, "a request that was seen is gone");
    last = sums;
  }

  static constexpr int kTries = 2;

  std::unique_ptr<detail::Epoch<Atomics>> epoch;
  std::unique_ptr<std::array<detail::UncollectedExtremes<Atomics>, kWriters>> uncollected;
  std::unique_ptr<std::array<Slot, kWriters>> slots;
  std::unique_ptr<std::array<Block, kWriters>> blocks;
  std::unique_ptr<Watched<RelacyReadCounter::Watch>> watched;
  std::array<std::uint64_t, kWriters> served{};
  std::array<Sums, kWriters> seen{};
};

using Light = RelacyAsymmetricFence;  // a compiler barrier

/// The scenarios of one schema.
template <class T>
void explore(Run& run) {
  run.of = Sample<T>::kName;
  run.refute<Whole<T, 1, Light, StrongestFenceOfReader>>("whole: no order between the sequence and the counters",
                                                         {1, 1}, Preemptions{2});
  run.explore<Whole<T, 1, Light, BarrierOfReader<1>>>("whole: barrier, 1 record, 1 reading", {1, 1}, Preemptions{4});
  run.explore<Whole<T, 1, RelacyReleaseFence, FenceOfReader>>("whole: release fence, 1 record, 1 reading", {1, 1},
                                                              Preemptions{4});
  run.explore<Whole<T, 1, RelacySymmetricFence, FenceOfReader>>("whole: full fence, 1 record, 1 reading", {1, 1},
                                                                Preemptions{4});
  run.explore<Whole<T, 1, RelacySymmetricFence, BarrierOfReader<1>>>(
      "whole: full fence and barrier, 1 record, 1 reading", {1, 1}, Preemptions{4});
  const unsigned preemptions = long_run() ? 3 : 2;
  run.explore<Whole<T, 1, Light, BarrierOfReader<1>, true>>("whole: barrier, 2 records, 1 reading, 1 cut", {2, 1},
                                                            Preemptions{preemptions});
  run.explore<Whole<T, 1, RelacyReleaseFence, FenceOfReader, true>>("whole: release fence, 2 records, 1 reading, 1 cut",
                                                                    {2, 1}, Preemptions{preemptions});
  if (searches_large<T>()) {
    run.explore<Whole<T, 2, Light, BarrierOfReader<2>>>("whole: barrier, 2 writers, 1 record, 2 readings", {1, 2},
                                                        Preemptions{2});
  }
  run.explore<Whole<T, 1, RelacyReleaseFence, FenceOfReader, true, 0, true>>(
      "whole extremes: release fence, 1 record, 1 reading, 1 cut", {1, 1}, Preemptions{2});
  run.explore<Whole<T, 1, Light, BarrierOfReader<1>, true, 0, true>>(
      "whole extremes: barrier, 1 record, 1 reading, 1 cut", {1, 1}, Preemptions{2});
  run.refute<Whole<T, 1, Light, StrongestFenceOfReader, false, 1>>(
      "whole series: no order between the sequence and the counters", {1, 1}, Preemptions{2});
  run.explore<Whole<T, 1, Light, BarrierOfReader<1>, false, 1>>("whole series: barrier, 1 record, 1 reading", {1, 1},
                                                                Preemptions{long_run() ? 4U : 3U});
  run.explore<Whole<T, 1, RelacyReleaseFence, FenceOfReader, false, 1>>(
      "whole series: release fence, 1 record, 1 reading", {1, 1}, Preemptions{long_run() ? 4U : 3U});
  if (searches_large<T>()) {
    run.explore<Whole<T, 1, RelacyReleaseFence, FenceOfReader, true, 1>>(
        "whole series: release fence, 2 records, 1 reading, 1 cut", {2, 1}, Preemptions{preemptions});
  }
  const unsigned schedules = long_run() ? 2'000'000 : 25'000;
  run.explore<Whole<T, 2, Light, BarrierOfReader<2>, true, 2>>(
      "whole series: barrier, 2 writers, 4 records, 2 readings", {4, 2}, RandomSchedules{schedules});
  run.explore<Whole<T, 2, Light, BarrierOfReader<2>, true>>("whole: barrier, 2 writers, 3 records, 2 readings", {3, 2},
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
