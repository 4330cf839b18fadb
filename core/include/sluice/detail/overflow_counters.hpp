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
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "sluice/detail/bank.hpp"
#include "sluice/detail/policy.hpp"

namespace sluice::detail {

/// The words that the banks of all schemas have. Counter is a counter that many threads write.
template <class Counter>
struct OverflowHeader {
  Counter count;
  Counter busy_ns;
};

/// One of the two banks.
template <class Counter, class T>
struct OverflowBank {
  OverflowHeader<Counter> header;
  Bank<Counter, T> counts;
};

/// Which of two banks writers use, and when the other one is quiescent. All-zero bytes are the empty state, without an
/// id.
template <class Atomics>
class OverflowPhaser {
 public:
  /// Returns an id that differs between a process and its forked children, so that a request ends where it began. 0:
  /// not set yet.
  [[nodiscard]] std::uint32_t id() const noexcept { return id_.load(std::memory_order_relaxed); }  // set before use
  /// Sets the id.
  void set_id(std::uint32_t id) noexcept { id_.store(id, std::memory_order_relaxed); }

  /// Begins a request. Any thread; lock-free.
  void begin() noexcept { in_flight_.fetch_add(1, std::memory_order_relaxed); }  // a count; orders nothing

  /// Ends a request without recording it. Any thread; lock-free.
  void cancel() noexcept { in_flight_.fetch_sub(1, std::memory_order_relaxed); }  // a count; orders nothing

  /// Enters the bank to record in, and returns its index. Any thread; lock-free.
  [[nodiscard]] std::size_t enter() noexcept {
    return entered_.fetch_add(1, std::memory_order_acq_rel) < 0 ? 1 : 0;  // [P1]
  }

  /// Leaves the bank and ends the request. The thread that entered; lock-free.
  void leave(std::size_t bank) noexcept {
    in_flight_.fetch_sub(1, std::memory_order_relaxed);
    left_[bank].fetch_add(1, std::memory_order_release);  // [P3] pairs with [P4]
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

  /// Returns the index of the bank that was flipped away from once every writer has left it, for the caller to collect;
  /// nothing before. One reader at a time.
  [[nodiscard]] std::optional<std::size_t> quiescent() noexcept {
    if (!closing_ || left_[closing_bank_].load(std::memory_order_acquire) != closing_ticket_) return {};  // [P4]
    return std::size_t{closing_bank_};
  }

  /// Ends the collection of the bank that quiescent() returned, after its extremes were cleared.
  void taken() noexcept { closing_ = 0; }

  /// Returns the number of requests in flight. Any process.
  [[nodiscard]] std::uint64_t in_flight() const noexcept { return in_flight_.load(std::memory_order_relaxed); }

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
};

/// Counters for requests without a slot. All-zero bytes are the empty state.
template <class Atomics, class Counter, class T>
struct BasicOverflowCounters {
  OverflowPhaser<Atomics> phaser;
  OverflowBank<Counter, T> banks[2];

  /// Records and ends a request. Any thread; lock-free.
  void record(std::uint64_t duration_ns, const T& done, unsigned mode) noexcept {
    const std::size_t which = phaser.enter();
    OverflowBank<Counter, T>& bank = banks[which];
    bank.counts.add(done, duration_ns, mode);
    bank.header.count.add(1);
    bank.header.busy_ns.add(duration_ns);
    phaser.leave(which);
  }
};

template <class T>
using OverflowCounters = BasicOverflowCounters<StdAtomics, SharedCounter, T>;

/// Where the parts of overflow counters lie, in bytes. The phaser is at the beginning.
struct OverflowShape {
  std::size_t bytes = 0;        ///< Size of the counters.
  std::size_t banks_at = 0;     ///< Offset of the first bank.
  std::size_t bank_bytes = 0;   ///< Size of a bank.
  std::size_t sums_at = 0;      ///< Offset of the sums in a bank.
  std::size_t extremes_at = 0;  ///< Offset of the extremes in a bank.

  /// Returns the shape of counters for the schema of T.
  template <class Atomics, class Counter, class T>
  static constexpr OverflowShape of() noexcept {
    using Counters = BasicOverflowCounters<Atomics, Counter, T>;
    using BankType = OverflowBank<Counter, T>;
    using Counts = Bank<Counter, T>;
    return {.bytes = sizeof(Counters),
            .banks_at = offsetof(Counters, banks),
            .bank_bytes = sizeof(BankType),
            .sums_at = offsetof(BankType, counts) + offsetof(Counts, sums),
            .extremes_at = offsetof(BankType, counts) + offsetof(Counts, extremes)};
  }
};

/// One bank of overflow counters. A reference.
template <class Counter>
struct OverflowBankRef {
  OverflowHeader<Counter>& header;
  Counter* sums;
  Counter* extremes;
};

/// Overflow counters as readers see them: without the types of a schema. A reference.
template <class Atomics, class Counter>
class OverflowRef {
 public:
  OverflowRef(void* at, const OverflowShape& shape) noexcept : at_(static_cast<std::byte*>(at)), shape_(shape) {}

  [[nodiscard]] OverflowPhaser<Atomics>& phaser() const noexcept {
    return *reinterpret_cast<OverflowPhaser<Atomics>*>(at_);
  }
  [[nodiscard]] OverflowBankRef<Counter> bank(std::size_t which) const noexcept {
    std::byte* const bank = at_ + shape_.banks_at + which * shape_.bank_bytes;
    return {*reinterpret_cast<OverflowHeader<Counter>*>(bank), reinterpret_cast<Counter*>(bank + shape_.sums_at),
            reinterpret_cast<Counter*>(bank + shape_.extremes_at)};
  }
  /// Returns the number of requests ever recorded.
  [[nodiscard]] std::uint64_t lifetime_count() const noexcept {
    return bank(0).header.count.get() + bank(1).header.count.get();
  }
  /// Returns the durations of all requests ever recorded.
  [[nodiscard]] std::uint64_t lifetime_busy_ns() const noexcept {
    return bank(0).header.busy_ns.get() + bank(1).header.busy_ns.get();
  }

 private:
  std::byte* at_;
  const OverflowShape& shape_;
};

}  // namespace sluice::detail
