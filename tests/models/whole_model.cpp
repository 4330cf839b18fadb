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

/// The sums that the reader computes for a slot.
struct Sums {
  std::uint64_t count = 0;
  std::uint64_t busy_ns = 0;
  std::uint64_t output_bytes = 0;
};

/// Thread i < kWriters has slot i, and the next thread reads. With kCuts a further thread makes cuts in the process of
/// the writers, reduced to the part that writers see: it stores new epochs.
template <int kWriters, class WriterFence, class ReaderFence, bool kCuts = false>
struct Whole : Suite<Whole<kWriters, WriterFence, ReaderFence, kCuts>, kWriters + (kCuts ? 2 : 1)> {
  using Atomics = RelacyReadAtomics;
  using Slot = detail::Slot<Atomics>;

  void before() {
    epoch = std::make_unique<detail::Epoch<Atomics>>();
    uncollected = std::make_unique<std::array<detail::UncollectedExtremes<Atomics>, kWriters>>();
    slots = std::make_unique<std::array<Slot, kWriters>>();
    watched = std::make_unique<Watched<RelacyReadCounter::Watch>>();
    for (Slot& slot : *slots) {
      for (auto& bank : slot.banks) watched->add(&bank.sums.output_bytes);
    }
    for (std::size_t i = 0; i < kWriters; ++i) serve(i);
    for (std::size_t i = 0; i < kWriters; ++i) {
      const int writer = static_cast<int>(i);
      Slot& slot = (*slots)[i];
      slot.sequence.set_writer(writer);
      slot.start_ns.set_writer(writer);
      for (auto& bank : slot.banks) {
        for (auto* const cell : {&bank.tag, &bank.first_start_ns, &bank.count, &bank.busy_ns}) cell->set_writer(writer);
      }
      for (auto& cell : (*uncollected)[i].banks) cell.set_constant();
    }
    if (kCuts) {
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

  /// Serves a request. Requests of a slot are told apart by the bits of their durations and output bytes.
  void serve(std::size_t i) {
    const std::uint64_t weight = std::uint64_t{1} << served[i]++;
    const std::uint64_t start_ns = tick();
    (*slots)[i].begin(start_ns);
    const detail::RecordTarget<Atomics> target{
        .slot = &(*slots)[i], .epoch = epoch.get(), .uncollected = &(*uncollected)[i], .phases = kEmbeddedPhases};
    detail::record<WriterFence>(target, start_ns, start_ns + weight, {.output_bytes = weight});
  }

  void read() {
    std::size_t i = 0;
    detail::read_whole_slots<ReaderFence, Sums>(
        slots->data(), kWriters,
        [](const Slot& slot, Sums& sums) {
          for (const auto& bank : slot.banks) {
            sums.output_bytes += bank.sums.output_bytes.get();
            sums.count += bank.count.load(std::memory_order_relaxed);
            sums.busy_ns += bank.busy_ns.load(std::memory_order_relaxed);
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
    const std::uint64_t weights = (std::uint64_t{1} << sums.count) - 1;
    require(sums.output_bytes == weights && sums.busy_ns == weights, "a request in part");
    require(sums.count >= last.count, "a request that was seen is gone");
    last = sums;
  }

  static constexpr int kTries = 2;

  std::unique_ptr<detail::Epoch<Atomics>> epoch;
  std::unique_ptr<std::array<detail::UncollectedExtremes<Atomics>, kWriters>> uncollected;
  std::unique_ptr<std::array<Slot, kWriters>> slots;
  std::unique_ptr<Watched<RelacyReadCounter::Watch>> watched;
  std::array<std::uint64_t, kWriters> served{};
  std::array<Sums, kWriters> seen{};
};

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  using Light = RelacyAsymmetricFence;  // a compiler barrier
  Run run(argc, argv);
  run.refute<Whole<1, Light, StrongestFenceOfReader>>("whole: no order between the sequence and the counters", {1, 1},
                                                      Preemptions{2});
  run.explore<Whole<1, Light, BarrierOfReader<1>>>("whole: barrier, 1 record, 1 reading", {1, 1}, Preemptions{4});
  run.explore<Whole<1, RelacyReleaseFence, FenceOfReader>>("whole: release fence, 1 record, 1 reading", {1, 1},
                                                           Preemptions{4});
  run.explore<Whole<1, RelacySymmetricFence, FenceOfReader>>("whole: full fence, 1 record, 1 reading", {1, 1},
                                                             Preemptions{4});
  run.explore<Whole<1, RelacySymmetricFence, BarrierOfReader<1>>>("whole: full fence and barrier, 1 record, 1 reading",
                                                                  {1, 1}, Preemptions{4});
  run.explore<Whole<1, Light, BarrierOfReader<1>, true>>("whole: barrier, 2 records, 1 reading, 1 cut", {2, 1},
                                                         Preemptions{long_run() ? 3U : 2U});
  run.explore<Whole<1, RelacyReleaseFence, FenceOfReader, true>>("whole: release fence, 2 records, 1 reading, 1 cut",
                                                                 {2, 1}, Preemptions{long_run() ? 3U : 2U});
  run.explore<Whole<2, Light, BarrierOfReader<2>>>("whole: barrier, 2 writers, 1 record, 2 readings", {1, 2},
                                                   Preemptions{2});
  const unsigned schedules = long_run() ? 2'000'000 : 50'000;
  run.explore<Whole<2, Light, BarrierOfReader<2>, true>>("whole: barrier, 2 writers, 3 records, 2 readings", {3, 2},
                                                         RandomSchedules{schedules});
  return run.end();
}
