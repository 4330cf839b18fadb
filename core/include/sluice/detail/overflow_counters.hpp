// Overflow counters: they count requests that have no slot of their own, because more threads came than the recorder
// was made for or because a thread serves a second request inside its first. Lock-free, not wait-free: counters are
// added to atomically. The two banks change places by a writer-reader phaser (Gil Tene, HdrHistogram): the sign of
// `entered_` names the bank. As in a slot, counts of a bank only grow, and a reader takes the growth; extremes begin
// anew.
//
//   Order map
//     [P1] record     RMW   entered  acq_rel  pairs with [P2]: the bank that the sign names was taken before
//     [P2] flip       RMW   entered  acq_rel  pairs with [P1]: all who entered the old bank are counted
//     [P3] record     RMW   left     release  pairs with [P4]: who sees it sees all that was added
//     [P4] quiescent  load  left     acquire  pairs with [P3]
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>

#include "sluice/detail/bank.hpp"
#include "sluice/detail/policy.hpp"

namespace sluice::detail {

/// Counter is one that many threads write.
template <class Counter>
struct BasicOverflowBank {
  Counter count;
  Counter busy_ns;
  Bank<Counter> sums;
};

/// All-zero bytes are its empty state, in which it has no id yet.
template <class Atomics, class Counter>
class BasicOverflowCounters {
 public:
  using Bank = BasicOverflowBank<Counter>;

  /// Differs between a process and its forked children, so that a request ends where it began. 0: not named yet.
  [[nodiscard]] std::uint32_t id() const noexcept { return id_.load(std::memory_order_relaxed); }  // set before use
  void name(std::uint32_t id) noexcept { id_.store(id, std::memory_order_relaxed); }

  /// Any thread. Lock-free.
  void begin() noexcept { in_flight_.fetch_add(1, std::memory_order_relaxed); }  // a count; orders nothing

  /// Any thread. Lock-free. Ends what begin() began, without a record.
  void cancel() noexcept { in_flight_.fetch_sub(1, std::memory_order_relaxed); }  // a count; orders nothing

  /// Any thread. Lock-free.
  void record(std::uint64_t duration_ns, const Completion& done, std::size_t phases) noexcept {
    const std::int64_t ticket = entered_.fetch_add(1, std::memory_order_acq_rel);  // [P1]
    Bank& bank = banks_[ticket < 0 ? 1 : 0];
    bank.sums.add(done, duration_ns, phases);
    bank.count.add(1);
    bank.busy_ns.add(duration_ns);
    in_flight_.fetch_sub(1, std::memory_order_relaxed);
    left_[ticket < 0 ? 1 : 0].fetch_add(1, std::memory_order_release);  // [P3] pairs with [P4]
  }

  /// One reader at a time. Sends later writers to the other bank, unless a bank is still waiting to be taken.
  void flip() noexcept {
    if (closing_) return;
    const bool odd = entered_.load(std::memory_order_relaxed) < 0;
    const std::int64_t base = odd ? 0 : std::numeric_limits<std::int64_t>::min();
    left_[odd ? 0 : 1].store(base, std::memory_order_relaxed);             // published by [P2]
    closing_ticket_ = entered_.exchange(base, std::memory_order_acq_rel);  // [P2] pairs with [P1]
    closing_ = 1;
    closing_bank_ = odd ? 1 : 0;
  }

  /// One reader at a time. The flipped bank once every writer has left it, for the caller to take; or null.
  [[nodiscard]] Bank* quiescent() noexcept {
    if (!closing_ || left_[closing_bank_].load(std::memory_order_acquire) != closing_ticket_) return nullptr;  // [P4]
    return &banks_[closing_bank_];
  }

  /// The growth of the bank that quiescent() gave has been read.
  void taken() noexcept {
    banks_[closing_bank_].sums.clear_extremes();
    closing_ = 0;
  }

  [[nodiscard]] std::uint64_t in_flight() const noexcept { return in_flight_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t lifetime_count() const noexcept { return banks_[0].count.get() + banks_[1].count.get(); }
  [[nodiscard]] std::uint64_t lifetime_busy_ns() const noexcept {
    return banks_[0].busy_ns.get() + banks_[1].busy_ns.get();
  }
  /// Both together hold all that was ever recorded. Any process.
  [[nodiscard]] const Bank (&banks() const noexcept)[2] { return banks_; }
  /// Which of them a bank is.
  [[nodiscard]] std::size_t index_of(const Bank& bank) const noexcept { return &bank == &banks_[0] ? 0 : 1; }

 private:
  template <class T>
  using Atomic = typename Atomics::template Atomic<T>;

  Atomic<std::uint32_t> id_{};
  Atomic<std::int64_t> entered_{};
  Atomic<std::int64_t> left_[2]{};
  Atomic<std::uint64_t> in_flight_{};
  // The reader's own.
  std::int64_t closing_ticket_ = 0;
  // One bit each, so that no other value can be read from memory that somebody else has overwritten.
  std::uint32_t closing_bank_ : 1 = 0;
  std::uint32_t closing_ : 1 = 0;
  Bank banks_[2];
};

using OverflowBank = BasicOverflowBank<SharedCounter>;
using OverflowCounters = BasicOverflowCounters<StdAtomics, SharedCounter>;

}  // namespace sluice::detail
