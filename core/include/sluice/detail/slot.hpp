// A slot: one worker thread's place. Plain memory, standard layout, no pointers, all-zero bytes are its empty state,
// and only its own thread writes it. Two banks alternate by epoch.
//
//   Order map of the writer (the reader's half is in epoch_reader.hpp, the argument in docs/memory-model.md)
//     [B1] begin   store start_ns   release   a reader that sees a later request also sees [W5] of the one before
//     [W1] record  store sequence   release   odd: busy. Ordered before [W3] by [W2]. Pairs with [R3], too: who sees
//                                             that a slot has moved on sees the record before
//     [W2] record  light fence                pairs with the heavy fence [R2] and, for readers in other processes, with
//                                             [X2]: who sees a counter of the record sees [W1]
//     [W3] record  load  epoch      acquire   pairs with [R1]: the marks [R0] and the rest of the cut are seen
//     [W4] record  load  uncollected   relaxed   ordered by [W3]: it was stored before the epoch that was read there
//     [W5] record  store tag        release   pairs with [R5]: first_start_ns is seen with it
//     [W6] record  store start_ns   release   pairs with [R4]: who sees the slot idle sees the tag
//     [T1] record  store busy_ns    release   pairs with [T2]: a request counted as done is not in flight
//     [W7] record  store sequence   release   pairs with [R3], [X1]: who sees even sees the whole record
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sluice/detail/bank.hpp"
#include "sluice/detail/policy.hpp"

namespace sluice::detail {

inline constexpr std::size_t kLine = 64;
inline constexpr std::size_t kSlotBytesMax = 16 * 1024;

/// Who has a slot. Free means used before: its counts remain.
enum class SlotState : std::uint32_t { kUnused = 0, kOwned = 1, kFree = 2 };

/// The bits of Slot::state that hold the SlotState. Those above number the claim while it is owned, so that an owner
/// can tell that a fork has taken the slot from it, even after another has claimed it.
inline constexpr std::uint32_t kSlotStateBits = 2;
inline constexpr std::uint32_t kSlotStateMask = (1U << kSlotStateBits) - 1;

constexpr std::uint32_t owned_by(std::uint32_t claim) noexcept {
  return (claim << kSlotStateBits) | static_cast<std::uint32_t>(SlotState::kOwned);
}

constexpr SlotState slot_state(std::uint32_t word) noexcept { return static_cast<SlotState>(word & kSlotStateMask); }

template <class Atomics, class Layout = BucketLayout>
struct alignas(kLine) EpochBank {
  using Atomic64 = typename Atomics::template Atomic<std::uint64_t>;

  Atomic64 tag;             ///< 1 + the epoch of the last record; 0: never used.
  Atomic64 first_start_ns;  ///< When the first request that was recorded in the epoch of `tag` had begun.
  Atomic64 count;           ///< Requests; grows only. Atomic: lifetime totals read it without a cut.
  Atomic64 busy_ns;         ///< Their durations; grows only. Atomic for the same reason.
  Bank<typename Atomics::Counter, Layout> sums;
};

template <class Atomics, class Layout = BucketLayout>
struct alignas(2 * kLine) Slot {
  using Atomic64 = typename Atomics::template Atomic<std::uint64_t>;

  Atomic64 sequence;                                       ///< Odd while a record is being written.
  Atomic64 start_ns;                                       ///< When the request in flight began; 0: idle.
  typename Atomics::template Atomic<std::uint32_t> state;  ///< A SlotState and the number of the claim.
  EpochBank<Atomics, Layout> banks[2];

  void begin(std::uint64_t now_ns) noexcept { start_ns.store(now_ns, std::memory_order_release); }  // [B1]
  /// The request in flight is not to be recorded. Idle from now on.
  void cancel() noexcept { begin(0); }
};

static_assert(sizeof(Slot<StdAtomics>) <= kSlotBytesMax);
static_assert(std::is_standard_layout_v<Slot<StdAtomics>>);

/// The word that selects the bank, alone in its cache lines: all writers read it, a cut writes it.
template <class Atomics>
struct alignas(2 * kLine) Epoch {
  typename Atomics::template Atomic<std::uint64_t> value;
};

/// What a reader tells the writer of a slot: the tag of the first epoch of a bank whose extremes no window has taken
/// yet; 0: all are taken.
template <class Atomics>
struct UncollectedExtremes {
  typename Atomics::template Atomic<std::uint64_t> banks[2];
};

/// The first record of a slot in an epoch. Keeps the extremes that a deferred cut has not taken yet; those of an epoch
/// before the first deferred one have been taken.
template <class Atomics, class Layout>
void open_epoch(EpochBank<Atomics, Layout>& bank, std::uint64_t epoch, std::uint64_t start_ns,
                const UncollectedExtremes<Atomics>& uncollected) noexcept {
  const std::uint64_t oldest_tag = uncollected.banks[epoch & 1].load(std::memory_order_relaxed);  // [W4]
  const bool taken = oldest_tag == 0 || bank.tag.load(std::memory_order_relaxed) < oldest_tag;    // own store
  if (taken) bank.sums.clear_extremes();
  bank.first_start_ns.store(start_ns, std::memory_order_relaxed);  // published by [W5]
  bank.tag.store(epoch + 1, std::memory_order_release);            // [W5]
}

/// Where one thread records. What it refers to is not owned.
template <class Atomics, class Layout = BucketLayout>
struct RecordTarget {
  Slot<Atomics, Layout>* slot = nullptr;
  const Epoch<Atomics>* epoch = nullptr;
  const UncollectedExtremes<Atomics>* uncollected = nullptr;  ///< Of the slot.
  std::size_t phases = 0;                                     ///< 6 or 8.
};

/// Records one whole request of the slot's own thread. Wait-free: a bounded number of plain loads and stores. Inlined
/// into its two callers, whose arguments are then in registers.
template <class Fence, class Atomics, class Layout>
[[gnu::always_inline]] inline void record(const RecordTarget<Atomics, Layout>& target, std::uint64_t start_ns,
                                          std::uint64_t stop_ns, const Completion& done) noexcept {
  Slot<Atomics, Layout>& slot = *target.slot;
  const std::uint64_t sequence = slot.sequence.load(std::memory_order_relaxed);   // own store
  slot.sequence.store(sequence + 1, std::memory_order_release);                   // [W1]
  Fence::light();                                                                 // [W2]
  const std::uint64_t now = target.epoch->value.load(std::memory_order_acquire);  // [W3]
  EpochBank<Atomics, Layout>& bank = slot.banks[now & 1];
  if (bank.tag.load(std::memory_order_relaxed) != now + 1) {  // own store
    open_epoch(bank, now, start_ns, *target.uncollected);
  }
  const std::uint64_t duration_ns = stop_ns > start_ns ? stop_ns - start_ns : 0;
  bank.sums.add(done, duration_ns, target.phases);
  bank.count.store(bank.count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // ordered by [W7]
  slot.start_ns.store(0, std::memory_order_release);                                            // [W6]
  const std::uint64_t busy_ns = bank.busy_ns.load(std::memory_order_relaxed);                   // own store
  bank.busy_ns.store(busy_ns + duration_ns, std::memory_order_release);                         // [T1]
  slot.sequence.store(sequence + 2, std::memory_order_release);                                 // [W7]
}

}  // namespace sluice::detail
