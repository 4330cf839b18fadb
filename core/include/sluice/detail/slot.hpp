// SPDX-License-Identifier: Apache-2.0
// A slot: the counters of one worker thread. Plain memory of standard layout, without pointers; all-zero bytes are the
// empty state. Only the thread of the slot writes it. Two banks alternate by epoch.
//
//   Order map of the writer (the reader's half is in epoch_reader.hpp, the argument in docs/memory-model.md)
//     [B1] begin   store start_ns     release  synchronizes with [R4]: a reader that sees a later request also sees
//                                              the tag of the one before
//     [W1] record  store sequence     release  odd: busy. Ordered before [W3] by [W2]. Synchronizes with [R3], too: a
//                                              reader that sees the next record sees this one
//     [W2] record  light fence                 pairs with the heavy fence [R2] and, for other processes,
//                                              with [X2]: a reader that sees a counter of the record sees its [W1]
//     [W3] record  load  epoch        acquire  synchronizes with [R1]: [R0] and the rest of the cut happened before
//     [W4] record  load  uncollected  relaxed  ordered by [W3]: [R0] happened before the [R1] that [W3] read
//     [W5] record  store tag          release  synchronizes with [R5]: first_start_ns belongs to the tag
//     [W6] record  store start_ns     release  synchronizes with [R4]: a reader that sees the slot idle sees the tag
//     [T1] record  store busy_ns      release  synchronizes with [T2]: a request counted as done is not in flight
//     [W7] record  store sequence     release  synchronizes with [R3], [X1]: the whole record happened before
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sluice/detail/bank.hpp"
#include "sluice/detail/policy.hpp"

namespace sluice::inline v0_1::detail {

inline constexpr std::size_t kLine = 64;  ///< Bytes of a cache line.

/// Returns a size in whole pairs of cache lines, so that no two threads share one.
constexpr std::size_t whole_line_pairs(std::size_t bytes) noexcept {
  constexpr std::size_t kUnit = 2 * kLine;
  return (bytes + kUnit - 1) / kUnit * kUnit;
}

/// Ownership of a slot. A free slot has been used before, and its counts remain.
enum class SlotState : std::uint32_t { kUnused = 0, kOwned = 1, kFree = 2 };

/// Number of bits of SlotHeader::state that hold the SlotState. The bits above hold the number of the claim while the
/// slot is owned, so that an owner can tell that a fork has taken the slot from it, even if another worker has claimed
/// it since.
inline constexpr std::uint32_t kSlotStateBits = 2;
inline constexpr std::uint32_t kSlotStateMask = (1U << kSlotStateBits) - 1;

/// Returns the state of a slot that the claim of this number owns.
constexpr std::uint32_t owned_by(std::uint32_t claim) noexcept {
  return (claim << kSlotStateBits) | static_cast<std::uint32_t>(SlotState::kOwned);
}

/// Returns the ownership in a word of SlotHeader::state.
constexpr SlotState slot_state(std::uint32_t word) noexcept { return static_cast<SlotState>(word & kSlotStateMask); }

/// The state of the thread, which the slots of all schemas have.
template <class Atomics>
struct SlotHeader {
  using Atomic64 = typename Atomics::template Atomic<std::uint64_t>;

  Atomic64 sequence;                                       ///< Odd while a record is being written.
  Atomic64 start_ns;                                       ///< Start of the request in flight; 0 when idle.
  typename Atomics::template Atomic<std::uint32_t> state;  ///< A SlotState and the number of the claim.

  /// Begins a request. Called by the thread of the slot; wait-free.
  void begin(std::uint64_t now_ns) noexcept { start_ns.store(now_ns, std::memory_order_release); }  // [B1]
  /// Ends the request in flight without recording it. Called by the thread of the slot; wait-free.
  void cancel() noexcept { begin(0); }
};

/// The words that the banks of all schemas have.
template <class Atomics>
struct EpochHeader {
  using Atomic64 = typename Atomics::template Atomic<std::uint64_t>;

  Atomic64 tag;             ///< 1 + the epoch of the last record; 0: never used.
  Atomic64 first_start_ns;  ///< Start of the first request that was recorded in the epoch of `tag`.
  Atomic64 count;           ///< Number of requests; only grows. Atomic because lifetime totals read it without a cut.
  Atomic64 busy_ns;         ///< Durations of the requests; only grows. Atomic for the same reason.
};

/// The counters of a slot for the epochs of one parity, in the words of the schema of T.
template <class Atomics, class T>
struct alignas(kLine) EpochBank {
  using Counts = Bank<typename Atomics::Counter, T>;

  EpochHeader<Atomics> header;
  Counts counts;
  typename Atomics::Counter earlier[Counts::kExtremeWords];  ///< The extremes of all epochs before those of `counts`.
};

/// The counters of one worker thread.
template <class Atomics, class T>
struct alignas(2 * kLine) Slot {
  SlotHeader<Atomics> header;
  EpochBank<Atomics, T> banks[2];
};

/// The word that selects the bank. Alone in its cache lines, because all writers read it and a cut writes it.
template <class Atomics>
struct alignas(2 * kLine) Epoch {
  typename Atomics::template Atomic<std::uint64_t> value;
};

/// A message of the reader to the writer of a slot: for each bank, the tag of the oldest epoch whose extremes no window
/// has collected yet; 0: all are collected.
template <class Atomics>
struct UncollectedExtremes {
  typename Atomics::template Atomic<std::uint64_t> banks[2];
};

/// Opens a bank for the first record of a slot in an epoch. Resets the extremes, unless a deferred cut has not
/// collected them yet; extremes of an epoch before the first deferred one have been collected. Not inlined, so that the
/// path of most records does not touch the extremes of earlier epochs.
template <class Atomics, class T>
[[gnu::noinline]] void open_epoch(EpochBank<Atomics, T>& bank, std::uint64_t epoch, std::uint64_t start_ns,
                                  const UncollectedExtremes<Atomics>& uncollected) noexcept {
  EpochHeader<Atomics>& header = bank.header;
  const std::uint64_t oldest_tag = uncollected.banks[epoch & 1].load(std::memory_order_relaxed);  // [W4]
  const bool taken = oldest_tag == 0 || header.tag.load(std::memory_order_relaxed) < oldest_tag;  // own store
  if (taken) bank.counts.move_extremes(bank.earlier);
  header.first_start_ns.store(start_ns, std::memory_order_relaxed);  // published by [W5]
  header.tag.store(epoch + 1, std::memory_order_release);            // [W5]
}

/// The memory that one thread needs to record. Owns nothing.
template <class Atomics, class T>
struct RecordTarget {
  Slot<Atomics, T>* slot = nullptr;
  const Epoch<Atomics>* epoch = nullptr;
  const UncollectedExtremes<Atomics>* uncollected = nullptr;  ///< Message of the reader to this slot.
  unsigned mode = 0;                                          ///< Mode of the recorder.
};

/// Selects the counters of the slot itself, for requests without labels.
struct OwnCounts {
  template <class Atomics, class T>
  [[gnu::always_inline]] Bank<typename Atomics::Counter, T>& operator()(
      EpochBank<Atomics, T>& bank, std::uint64_t /*epoch*/,
      const UncollectedExtremes<Atomics>& /*uncollected*/) const noexcept {
    return bank.counts;
  }
};

/// Records one whole request in the counters that `select` returns, given the bank of the epoch. The thread of the
/// slot; wait-free: a bounded number of plain loads and stores. Inlined into its callers, so that arguments stay in
/// registers.
template <class Fence, class Atomics, class T, class Select = OwnCounts>
[[gnu::always_inline]] inline void record(const RecordTarget<Atomics, T>& target, std::uint64_t start_ns,
                                          std::uint64_t stop_ns, const T& done, const Select& select = {}) noexcept {
  SlotHeader<Atomics>& slot = target.slot->header;
  const std::uint64_t sequence = slot.sequence.load(std::memory_order_relaxed);   // own store
  slot.sequence.store(sequence + 1, std::memory_order_release);                   // [W1]
  Fence::light();                                                                 // [W2]
  const std::uint64_t now = target.epoch->value.load(std::memory_order_acquire);  // [W3]
  EpochBank<Atomics, T>* selected = &target.slot->banks[now & 1];
  __asm__("" : "+r"(selected));  // keeps GCC from computing the address again for each counter
  EpochBank<Atomics, T>& bank = *selected;
  EpochHeader<Atomics>& header = bank.header;
  if (header.tag.load(std::memory_order_relaxed) != now + 1) {  // own store
    open_epoch(bank, now, start_ns, *target.uncollected);
  }
  const std::uint64_t duration_ns = stop_ns > start_ns ? stop_ns - start_ns : 0;
  select(bank, now, *target.uncollected).add(done, duration_ns, target.mode);
  header.count.store(header.count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);  // ordered by [W7]
  slot.start_ns.store(0, std::memory_order_release);                                                // [W6]
  const std::uint64_t busy_ns = header.busy_ns.load(std::memory_order_relaxed);                     // own store
  header.busy_ns.store(busy_ns + duration_ns, std::memory_order_release);                           // [T1]
  slot.sequence.store(sequence + 2, std::memory_order_release);                                     // [W7]
}

}  // namespace sluice::detail
