// SPDX-License-Identifier: Apache-2.0
// Overflow counters: they count requests without a slot, because there are more threads than slots or because a thread
// serves a second request inside its first. Lock-free, not wait-free: counters are added to atomically. The two banks
// alternate by a writer-reader phaser (Gil Tene, HdrHistogram): the sign of `entered_` selects the bank. As in a slot,
// counts of a bank only grow, and a reader takes the difference; extremes are reset.
//
//   Order map (the argument is in docs/memory-model.md, "Overflow counters")
//     [P1] record     RMW   entered  acq_rel  synchronizes with [P2]: the selected bank was collected before
//     [P2] flip       RMW   entered  acq_rel  synchronizes with [P1]: all writers that entered the old bank are counted
//     [P3] record     RMW   left     release  synchronizes with [P4]: the additions happen before the collection
//     [P4] quiescent  load  left     acquire  synchronizes with [P3]
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "sluice/detail/bank.hpp"
#include "sluice/detail/policy.hpp"

namespace sluice::detail {

/// One of the two banks. Counter is a counter that many threads write.
template <class Counter>
struct BasicOverflowBank {
  Counter count;
  Counter busy_ns;
  Bank<Counter> sums;
};

/// Counters for requests without a slot. All-zero bytes are the empty state, without an id.
template <class Atomics, class Counter>
class BasicOverflowCounters {
 public:
  using Bank = BasicOverflowBank<Counter>;

  /// Returns an id that differs between a process and its forked children, so that a request ends where it began. 0:
  /// not set yet.
  [[nodiscard]] std::uint32_t id() const noexcept { return id_.load(std::memory_order_relaxed); }  // set before use
  /// Sets the id.
  void set_id(std::uint32_t id) noexcept { id_.store(id, std::memory_order_relaxed); }

  /// Begins a request. Any thread; lock-free.
  void begin() noexcept { in_flight_.fetch_add(1, std::memory_order_relaxed); }  // a count; orders nothing

  /// Ends a request without recording it. Any thread; lock-free.
  void cancel() noexcept { in_flight_.fetch_sub(1, std::memory_order_relaxed); }  // a count; orders nothing

  /// Records and ends a request. Any thread; lock-free.
  void record(std::uint64_t duration_ns, const Completion& done, std::size_t phases) noexcept {
    const std::int64_t ticket = entered_.fetch_add(1, std::memory_order_acq_rel);  // [P1]
    Bank& bank = banks_[ticket < 0 ? 1 : 0];
    bank.sums.add(done, duration_ns, phases);
    bank.count.add(1);
    bank.busy_ns.add(duration_ns);
    in_flight_.fetch_sub(1, std::memory_order_relaxed);
    left_[ticket < 0 ? 1 : 0].fetch_add(1, std::memory_order_release);  // [P3] pairs with [P4]
  }

  /// Sends later writers to the other bank, unless a bank is waiting to be collected. One reader at a time.
  void flip() noexcept {
    if (closing_) return;
    const bool odd = entered_.load(std::memory_order_relaxed) < 0;
    const std::int64_t base = odd ? 0 : std::numeric_limits<std::int64_t>::min();
    left_[odd ? 0 : 1].store(base, std::memory_order_relaxed);             // published by [P2]
    closing_ticket_ = entered_.exchange(base, std::memory_order_acq_rel);  // [P2] pairs with [P1]
    closing_ = 1;
    closing_bank_ = odd ? 1 : 0;
  }

  /// Returns the bank that was flipped away from once every writer has left it, for the caller to collect; null
  /// before. One reader at a time.
  [[nodiscard]] Bank* quiescent() noexcept {
    if (!closing_ || left_[closing_bank_].load(std::memory_order_acquire) != closing_ticket_) return nullptr;  // [P4]
    return &banks_[closing_bank_];
  }

  /// Ends the collection of the bank that quiescent() returned.
  void taken() noexcept {
    banks_[closing_bank_].sums.clear_extremes();
    closing_ = 0;
  }

  /// Returns the number of requests in flight. Any process.
  [[nodiscard]] std::uint64_t in_flight() const noexcept { return in_flight_.load(std::memory_order_relaxed); }
  /// Returns the number of requests ever recorded.
  [[nodiscard]] std::uint64_t lifetime_count() const noexcept { return banks_[0].count.get() + banks_[1].count.get(); }
  /// Returns the durations of all requests ever recorded.
  [[nodiscard]] std::uint64_t lifetime_busy_ns() const noexcept {
    return banks_[0].busy_ns.get() + banks_[1].busy_ns.get();
  }
  /// Returns both banks, which together hold everything that was ever recorded. Any process.
  [[nodiscard]] const Bank (&banks() const noexcept)[2] { return banks_; }
  /// Returns the index of a bank in banks().
  [[nodiscard]] std::size_t index_of(const Bank& bank) const noexcept { return &bank == &banks_[0] ? 0 : 1; }

 private:
  template <class T>
  using Atomic = typename Atomics::template Atomic<T>;

  Atomic<std::uint32_t> id_{};
  Atomic<std::int64_t> entered_{};
  Atomic<std::int64_t> left_[2]{};
  Atomic<std::uint64_t> in_flight_{};
  // State of the reader.
  std::int64_t closing_ticket_ = 0;
  // One bit each, so that memory that was overwritten cannot yield an index out of range.
  std::uint32_t closing_bank_ : 1 = 0;
  std::uint32_t closing_ : 1 = 0;
  Bank banks_[2];
};

using OverflowBank = BasicOverflowBank<SharedCounter>;
using OverflowCounters = BasicOverflowCounters<StdAtomics, SharedCounter>;

}  // namespace sluice::detail
