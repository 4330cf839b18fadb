// SPDX-License-Identifier: Apache-2.0
// The totals of a group's ended processes, read together with the counts of the living ones: each count exactly once,
// whichever process is retired meanwhile. One process, the parent, publishes and retires the others; any number of
// processes read. Neither waits for the other, and the processes that count take no part.
//
//   Order map (the argument is in docs/memory-model.md, "Processes")
//     [G1] retire   store version      release   synchronizes with [G3]: the totals of the selected copy are visible
//     [G2] retire   fence                        pairs with [G5]: a reader that sees a later store, in the region or in
//                                                the other copy, sees that the version has changed
//     [G3] read     load  version      acquire   synchronizes with [G1]
//     [G4] read     load  incarnation  acquire   synchronizes with [G7]: the data of the slot belong to the incarnation
//     [G5] read     fence                        pairs with [G2]
//     [G6] read     load  version      relaxed   ordered by [G5]
//     [G7] publish  store incarnation  release   synchronizes with [G4]
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/detail/policy.hpp"

namespace sluice::inline v0_1::detail {

/// Identifies the process that records in a region, for readers. Written by the parent only. All-zero bytes are a
/// region without a process.
template <class Atomics>
struct Occupancy {
  typename Atomics::template Atomic<std::uint64_t>
      incarnation;  ///< A number that is never used again; 0: the region is not to be read.

  /// Publishes a process: from now on readers add up the region. `number` is not 0. Wait-free.
  void publish(std::uint64_t number) noexcept { incarnation.store(number, std::memory_order_release); }  // [G7]
};

/// The totals of ended processes, in two copies of which the version selects the current one. All-zero bytes are the
/// totals of no process. A schema uses the first of the `kWordsMost` words; the rest of the memory is never touched.
template <class Atomics, std::size_t kWordsMost>
struct RetiredTotals {
  using Atomic64 = typename Atomics::template Atomic<std::uint64_t>;

  struct Copy {
    Atomic64 last_incarnation;  ///< Incarnation of the process that was added last.
    Atomic64 words[kWordsMost];
  };

  Atomic64 version;
  Copy copies[2];

  static constexpr std::size_t copy_of(std::uint64_t version) noexcept { return version & 1; }

  /// Returns the index of the copy that readers use. Called by the parent only, which writes a group's other counts
  /// into the other copy before it calls retire().
  [[nodiscard]] std::size_t current_copy() const noexcept {
    return copy_of(version.load(std::memory_order_relaxed));  // own store
  }

  /// Sets `sums` to the totals. Called by the parent only, which is their only writer.
  void current(std::span<std::uint64_t> sums) const noexcept {
    const Copy& copy = copies[current_copy()];
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = copy.words[i].load(std::memory_order_relaxed);  // own store
  }

  /// Replaces the totals by `sums`, the old totals plus the counts of an ended process; then calls `clear()`, which
  /// clears the region, and marks the region free. Called by the parent only, on one thread. Wait-free but for
  /// `clear()`.
  template <class Fence, class Clear>
  void retire(Occupancy<Atomics>& ended, std::span<const std::uint64_t> sums, Clear&& clear) noexcept {
    const std::uint64_t now = version.load(std::memory_order_relaxed);  // own store
    Copy& next = copies[copy_of(now + 1)];
    for (std::size_t i = 0; i < sums.size(); ++i) {
      next.words[i].store(sums[i], std::memory_order_relaxed);  // published by [G1]
    }
    const std::uint64_t incarnation = ended.incarnation.load(std::memory_order_relaxed);  // own store
    next.last_incarnation.store(incarnation, std::memory_order_relaxed);                  // published by [G1]
    version.store(now + 1, std::memory_order_release);                                    // [G1]
    Fence::light();                                                                       // [G2]
    clear();
    ended.incarnation.store(0, std::memory_order_relaxed);  // after [G2]
  }

  /// Tells whether a region is to be read, and which copy of the totals was.
  struct IncarnationOf {
    std::uint64_t retired;
    std::size_t copy;

    std::uint64_t operator()(const Occupancy<Atomics>& occupancy) const noexcept {
      const std::uint64_t incarnation = occupancy.incarnation.load(std::memory_order_acquire);  // [G4]
      return incarnation != retired ? incarnation : 0;
    }
  };

  /// Sets `sums` to the totals of ended processes, and calls `add_living(incarnation_of)` to look at
  /// living ones, and at what else the parent keeps in the copy `incarnation_of.copy`. `incarnation_of(occupancy)`
  /// returns 0 for a region without a process, and for one whose process is part of the totals already. Returns false
  /// if a process was retired meanwhile or `add_living` returned false; `sums` is then meaningless. Any process;
  /// wait-free.
  template <class Fence, class AddLiving>
  [[nodiscard]] bool read(std::span<std::uint64_t> sums, AddLiving&& add_living) const {
    const std::uint64_t now = version.load(std::memory_order_acquire);  // [G3]
    const Copy& copy = copies[copy_of(now)];
    for (std::size_t i = 0; i < sums.size(); ++i) {
      sums[i] = copy.words[i].load(std::memory_order_relaxed);  // ordered by [G3]
    }
    const std::uint64_t retired = copy.last_incarnation.load(std::memory_order_relaxed);  // ordered by [G3]
    const IncarnationOf incarnation_of{retired, copy_of(now)};
    if (!add_living(incarnation_of)) return false;
    Fence::light();                                         // [G5]
    return version.load(std::memory_order_relaxed) == now;  // [G6]
  }
};

}  // namespace sluice::detail
