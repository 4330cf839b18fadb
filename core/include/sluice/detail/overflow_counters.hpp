// SPDX-License-Identifier: Apache-2.0
// Overflow counters: they count requests without a slot, because there are more threads than slots, because a thread
// serves a second request inside its first, or because the worker is shared. Lock-free, not wait-free: counters are
// added to atomically. They are striped by CPU, so that threads on different CPUs write different cache lines; a thread
// may migrate at any time, so no stripe is ever one thread's own. The two banks of a stripe alternate by a
// writer-reader phaser (Gil Tene, HdrHistogram): the sign of `entered_` selects the bank. As in a slot, counts of a
// bank only grow, and a reader takes the difference; extremes are reset.
//
//   Order map (the argument is in docs/memory-model.md, "Overflow counters")
//     [P1] record     RMW   entered  acq_rel  synchronizes with [P2]: the selected bank was collected before
//     [P2] flip       RMW   entered  acq_rel  synchronizes with [P1]: all writers that entered the old bank are counted
//     [P3] record     RMW   left     release  synchronizes with [P4]: the additions happen before the collection
//     [P4] quiescent  load  left     acquire  synchronizes with [P3]
//     [P5] end        RMW   count, cancelled, untracked_ended  release  synchronizes with [P6]: the beginning of a
//                                                                       request that is counted as ended is visible
//     [P6] in_flight  load  count, cancelled, untracked_ended  acquire  synchronizes with [P5]
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "sluice/detail/bank.hpp"
#include "sluice/detail/in_flight_table.hpp"
#include "sluice/detail/overflow_stripes.hpp"
#include "sluice/detail/policy.hpp"
#include "sluice/detail/slot.hpp"

namespace sluice::inline v0_1::detail {

/// The words that the banks of all schemas have. Counter is a counter that many threads write.
template <class Atomics, class Counter>
struct OverflowHeader {
  typename Atomics::template Atomic<std::uint64_t> count;
  Counter busy_ns;
};

/// One of the two banks of a stripe.
template <class Atomics, class Counter, class T>
struct OverflowBank {
  OverflowHeader<Atomics, Counter> header;
  Bank<Counter, T> counts;
};

/// A phaser: selects the bank of a stripe that writers use, and tells when the other one is quiescent. All-zero bytes
/// are the empty state.
template <class Atomics>
class OverflowPhaser {
 public:
  /// Begins a request. Returns the number of those that began here before. Any thread; lock-free.
  std::uint64_t begin() noexcept {
    return begun_.fetch_add(1, std::memory_order_relaxed);  // published by [P5] when the request ends
  }

  /// Ends a request without recording it. Any thread, in any stripe; lock-free.
  void cancel() noexcept { cancelled_.fetch_add(1, std::memory_order_release); }  // [P5]

  /// Counts a request in flight whose start is in no table. Any thread; lock-free.
  void begin_untracked() noexcept {
    untracked_begun_.fetch_add(1, std::memory_order_relaxed);  // published by [P5] when the request ends
  }

  /// Counts that it has ended, in any stripe. Any thread; lock-free.
  void end_untracked() noexcept { untracked_ended_.fetch_add(1, std::memory_order_release); }  // [P5]

  /// Enters the bank to record in, and returns its index. Any thread; lock-free.
  [[nodiscard]] std::size_t enter() noexcept {
    return entered_.fetch_add(1, std::memory_order_acq_rel) < 0 ? 1 : 0;  // [P1]
  }

  /// Leaves the bank. Called by the thread that entered it; lock-free.
  void leave(std::size_t bank) noexcept { left_[bank].fetch_add(1, std::memory_order_release); }  // [P3]

  /// Sends later writers to the other bank, unless a bank is waiting to be collected or no writer has entered this one.
  /// One reader at a time.
  void flip() noexcept {
    // Relaxed, because a record that happens before the drain is visible anyway.
    const std::int64_t entered = entered_.load(std::memory_order_relaxed);
    if (closing_ || (entered & std::numeric_limits<std::int64_t>::max()) == 0) return;
    const bool odd = entered < 0;
    const std::int64_t base = odd ? 0 : std::numeric_limits<std::int64_t>::min();
    left_[odd ? 0 : 1].store(base, std::memory_order_relaxed);             // published by [P2]
    closing_ticket_ = entered_.exchange(base, std::memory_order_acq_rel);  // [P2] pairs with [P1]
    closing_ = 1;
    closing_bank_ = odd ? 1 : 0;
  }

  /// Returns true while a bank that was flipped away from has not been collected.
  [[nodiscard]] bool is_closing() const noexcept { return closing_ != 0; }

  /// Returns the index of the bank that was flipped away from once every writer has left it, for the caller to collect;
  /// nothing before. One reader at a time.
  [[nodiscard]] std::optional<std::size_t> quiescent() noexcept {
    if (!closing_ || left_[closing_bank_].load(std::memory_order_acquire) != closing_ticket_) return {};  // [P4]
    return std::size_t{closing_bank_};
  }

  /// Ends the collection of the bank that quiescent() returned, after its extremes were cleared.
  void taken() noexcept { closing_ = 0; }

  /// Returns the number of requests that began in this stripe. Any process.
  [[nodiscard]] std::uint64_t begun() const noexcept { return begun_.load(std::memory_order_relaxed); }  // after [P6]
  /// Returns the number of requests that were cancelled in this stripe. Any process.
  [[nodiscard]] std::uint64_t cancelled() const noexcept { return cancelled_.load(std::memory_order_acquire); }  // [P6]
  /// Returns the number of untracked requests that began in this stripe. Any process.
  [[nodiscard]] std::uint64_t untracked_begun() const noexcept {
    return untracked_begun_.load(std::memory_order_relaxed);  // after [P6]
  }
  /// Returns the number of untracked requests that ended in this stripe. Any process.
  [[nodiscard]] std::uint64_t untracked_ended() const noexcept {
    return untracked_ended_.load(std::memory_order_acquire);  // [P6]
  }

 private:
  template <class T>
  using Atomic = typename Atomics::template Atomic<T>;

  Atomic<std::int64_t> entered_{};
  Atomic<std::int64_t> left_[2]{};
  Atomic<std::uint64_t> begun_{};
  Atomic<std::uint64_t> cancelled_{};
  Atomic<std::uint64_t> untracked_begun_{};
  Atomic<std::uint64_t> untracked_ended_{};
  // State of the reader.
  std::int64_t closing_ticket_ = 0;
  // One bit each, so that memory that was overwritten cannot yield an index out of range.
  std::uint32_t closing_bank_ : 1 = 0;
  std::uint32_t closing_ : 1 = 0;
};

/// Selects the counters of the stripe itself, for requests without labels.
struct OwnOverflowCounts {
  template <class Atomics, class Counter, class T>
  [[nodiscard]] Bank<Counter, T>& operator()(OverflowBank<Atomics, Counter, T>& bank,
                                             std::size_t /*which*/) const noexcept {
    return bank.counts;
  }
};

/// The counters of the requests that end on some of the CPUs. All-zero bytes are the empty state.
template <class Atomics, class Counter, class T>
struct alignas(2 * kLine) OverflowStripe {
  OverflowPhaser<Atomics> phaser;
  OverflowBank<Atomics, Counter, T> banks[2];

  /// Records and ends a request in the counters that `select` returns, given the bank. Any thread; lock-free.
  template <class Select>
  void record(std::uint64_t duration_ns, const T& done, unsigned mode, const Select& select) noexcept {
    const std::size_t which = phaser.enter();
    OverflowBank<Atomics, Counter, T>& bank = banks[which];
    select(bank, which).add(done, duration_ns, mode);
    bank.header.busy_ns.add(duration_ns);
    bank.header.count.fetch_add(1, std::memory_order_release);  // [P5]
    phaser.leave(which);
  }
};

/// The words that all stripes share. Written rarely, so that its cache line stays with every CPU. All-zero bytes are
/// the empty state, without an id.
template <class Atomics>
class alignas(2 * kLine) OverflowControl {
 public:
  /// Returns an id that differs between a process and its forked children, so that a request ends where it began. 0:
  /// not set yet.
  [[nodiscard]] std::uint32_t id() const noexcept { return id_.load(std::memory_order_relaxed); }  // set before use
  /// Sets the id.
  void set_id(std::uint32_t id) noexcept { id_.store(id, std::memory_order_relaxed); }

  /// Returns true if the starts of requests in flight are tracked.
  [[nodiscard]] bool tracks() const noexcept { return tracks_.load(std::memory_order_relaxed) != 0; }  // set before use
  /// Says that they are.
  void set_tracks() noexcept { tracks_.store(1, std::memory_order_relaxed); }

  /// Marks a stripe as used, for a thread that is about to write it. Wait-free.
  void use(std::size_t stripe) noexcept {
    const std::uint32_t bit = std::uint32_t{1} << stripe;
    if ((used_.load(std::memory_order_relaxed) & bit) == 0) {  // once set it stays set
      used_.fetch_or(bit, std::memory_order_relaxed);          // ordered by [P5], or belongs to a later request
    }
  }

  /// Returns true if the stripe has ever been used. A stripe that was not used is not read, so that its pages are not
  /// committed.
  [[nodiscard]] bool is_used(std::size_t stripe) const noexcept {
    return ((used_.load(std::memory_order_relaxed) >> stripe) & 1) != 0;  // all-zero counters are right until then
  }

 private:
  template <class T>
  using Atomic = typename Atomics::template Atomic<T>;

  Atomic<std::uint32_t> id_{};
  Atomic<std::uint32_t> used_{};  ///< A bit for each stripe.
  Atomic<std::uint32_t> tracks_{};
};

/// Counters for requests without a slot. A recorder has memory only for the first overflow_stripes() stripes. All-zero
/// bytes are the empty state.
template <class Atomics, class Counter, class T, std::size_t kStripes = kOverflowStripesMost>
struct BasicOverflowCounters {
  OverflowControl<Atomics> control;
  OverflowStripe<Atomics, Counter, T> stripes[kStripes];

  /// Records and ends a request in a stripe. Any thread; lock-free.
  template <class Select = OwnOverflowCounts>
  void record(std::size_t stripe, std::uint64_t duration_ns, const T& done, unsigned mode,
              const Select& select = {}) noexcept {
    control.use(stripe);
    stripes[stripe].record(duration_ns, done, mode, select);
  }
};

template <class T>
using OverflowCounters = BasicOverflowCounters<StdAtomics, SharedCounter, T>;

/// Where the parts of overflow counters lie, in bytes. What all stripes share is at the beginning, and the phaser at
/// the beginning of a stripe.
struct OverflowShape {
  std::size_t stripes_at = 0;    ///< Offset of the first stripe.
  std::size_t stripe_bytes = 0;  ///< Size of a stripe.
  std::size_t banks_at = 0;      ///< Offset of the first bank in a stripe.
  std::size_t bank_bytes = 0;    ///< Size of a bank.
  std::size_t sums_at = 0;       ///< Offset of the sums in a bank.
  std::size_t extremes_at = 0;   ///< Offset of the extremes in a bank.
  std::size_t table_bytes = 0;   ///< Size of a table of starts.

  /// Returns the offset of the tables, one for each of `stripes` stripes. Only recorders of event loops write them.
  [[nodiscard]] constexpr std::size_t tables_at(std::size_t stripes) const noexcept {
    return stripes_at + stripes * stripe_bytes;
  }

  /// Returns the size in bytes of counters with `stripes` stripes.
  [[nodiscard]] constexpr std::size_t bytes(std::size_t stripes) const noexcept {
    return tables_at(stripes) + stripes * table_bytes;
  }

  /// Returns the shape of counters for the schema of T.
  template <class Atomics, class Counter, class T>
  static constexpr OverflowShape of() noexcept {
    using Counters = BasicOverflowCounters<Atomics, Counter, T>;
    using Stripe = OverflowStripe<Atomics, Counter, T>;
    using BankType = OverflowBank<Atomics, Counter, T>;
    using Counts = Bank<Counter, T>;
    return {.stripes_at = offsetof(Counters, stripes),
            .stripe_bytes = sizeof(Stripe),
            .banks_at = offsetof(Stripe, banks),
            .bank_bytes = sizeof(BankType),
            .sums_at = offsetof(BankType, counts) + offsetof(Counts, sums),
            .extremes_at = offsetof(BankType, counts) + offsetof(Counts, extremes),
            .table_bytes = sizeof(InFlightTable<Atomics>)};
  }
};

/// One bank of overflow counters. A reference.
template <class Atomics, class Counter>
struct OverflowBankRef {
  OverflowHeader<Atomics, Counter>& header;
  Counter* sums;
  Counter* extremes;
};

/// One stripe of overflow counters. A reference.
template <class Atomics, class Counter>
class OverflowStripeRef {
 public:
  OverflowStripeRef(std::byte* at, const OverflowShape& shape) noexcept : at_(at), shape_(shape) {}

  [[nodiscard]] OverflowPhaser<Atomics>& phaser() const noexcept {
    return *reinterpret_cast<OverflowPhaser<Atomics>*>(at_);
  }
  [[nodiscard]] OverflowBankRef<Atomics, Counter> bank(std::size_t which) const noexcept {
    std::byte* const bank = at_ + shape_.banks_at + which * shape_.bank_bytes;
    return {*reinterpret_cast<OverflowHeader<Atomics, Counter>*>(bank),
            reinterpret_cast<Counter*>(bank + shape_.sums_at), reinterpret_cast<Counter*>(bank + shape_.extremes_at)};
  }
  /// Returns the number of requests ever recorded in this stripe.
  [[nodiscard]] std::uint64_t recorded() const noexcept {
    return bank(0).header.count.load(std::memory_order_acquire) +  // [P6]
           bank(1).header.count.load(std::memory_order_acquire);   // [P6]
  }

 private:
  std::byte* at_;
  const OverflowShape& shape_;
};

/// Overflow counters as readers see them: without the types of a schema. A reference.
template <class Atomics, class Counter>
class OverflowRef {
 public:
  OverflowRef(void* at, const OverflowShape& shape, std::size_t stripes) noexcept
      : at_(static_cast<std::byte*>(at)), shape_(shape), stripes_(stripes) {}

  [[nodiscard]] OverflowControl<Atomics>& control() const noexcept {
    return *reinterpret_cast<OverflowControl<Atomics>*>(at_);
  }
  /// Returns the number of stripes.
  [[nodiscard]] std::size_t stripes() const noexcept { return stripes_; }
  /// Returns a stripe, used or not.
  [[nodiscard]] OverflowStripeRef<Atomics, Counter> stripe(std::size_t i) const noexcept {
    return {at_ + shape_.stripes_at + i * shape_.stripe_bytes, shape_};
  }
  /// Returns the table of starts of a stripe.
  [[nodiscard]] InFlightTable<Atomics>& table(std::size_t i) const noexcept {
    return *reinterpret_cast<InFlightTable<Atomics>*>(at_ + shape_.tables_at(stripes_) + i * shape_.table_bytes);
  }
  /// Calls `visit(stripe)` for each stripe that has been used.
  template <class Visit>
  void each_used(Visit&& visit) const {
    for (std::size_t i = 0; i < stripes_; ++i) {
      if (control().is_used(i)) visit(stripe(i));
    }
  }

  /// Returns the number of requests ever recorded.
  [[nodiscard]] std::uint64_t lifetime_count() const noexcept {
    std::uint64_t count = 0;
    each_used([&count](const auto& stripe) { count += stripe.recorded(); });
    return count;
  }
  /// Returns the durations of all requests ever recorded.
  [[nodiscard]] std::uint64_t lifetime_busy_ns() const noexcept {
    std::uint64_t busy_ns = 0;
    each_used([&busy_ns](const auto& stripe) {
      busy_ns += stripe.bank(0).header.busy_ns.get() + stripe.bank(1).header.busy_ns.get();
    });
    return busy_ns;
  }
  /// Returns the number of requests in flight. A request may begin in one stripe and end in another, so those that have
  /// ended are added up first: each of them is then seen to have begun. One that begins meanwhile may be counted though
  /// another one has ended by then.
  [[nodiscard]] std::uint64_t in_flight() const noexcept {
    std::uint64_t ended = 0;
    each_used([&ended](const auto& stripe) { ended += stripe.recorded() + stripe.phaser().cancelled(); });
    std::uint64_t begun = 0;
    each_used([&begun](const auto& stripe) { begun += stripe.phaser().begun(); });
    return begun - ended;
  }
  /// Returns the number of requests in flight whose start is in no table, in the same way.
  [[nodiscard]] std::uint64_t untracked() const noexcept {
    std::uint64_t ended = 0;
    each_used([&ended](const auto& stripe) { ended += stripe.phaser().untracked_ended(); });
    std::uint64_t begun = 0;
    each_used([&begun](const auto& stripe) { begun += stripe.phaser().untracked_begun(); });
    return begun - ended;
  }
  /// Returns the age of the oldest request in flight whose start is in a table; 0 if there is none.
  [[nodiscard]] std::uint64_t oldest_ns(std::uint64_t now_ns) const noexcept {
    std::uint64_t start_ns = UINT64_MAX;
    for (std::size_t i = 0; control().tracks() && i < stripes_; ++i) {
      if (control().is_used(i)) start_ns = std::min(start_ns, table(i).oldest_start_ns());
    }
    return start_ns < now_ns ? now_ns - start_ns : 0;
  }

  /// Begins a request in a stripe, and returns where its start is in the tables. Any thread; lock-free.
  std::uint32_t begin(std::size_t i, std::uint64_t start_ns, bool tracks) const noexcept {
    control().use(i);
    OverflowPhaser<Atomics>& phaser = stripe(i).phaser();
    const std::uint64_t cursor = phaser.begin();
    if (!tracks) return OverflowPlace::kNotAsked;
    const std::uint32_t entry = table(i).take(cursor, start_ns == 0 ? 1 : start_ns);
    if (entry != 0) return static_cast<std::uint32_t>(i * kTrackedMost) + entry;
    phaser.begin_untracked();
    return OverflowPlace::kUntracked;
  }
  /// Ends what begin() has begun to track, in this stripe or another. Any thread; lock-free.
  void end_tracking(std::size_t i, std::uint32_t tracked) const noexcept {
    if (tracked == OverflowPlace::kUntracked) {
      control().use(i);
      stripe(i).phaser().end_untracked();
    } else {
      table((tracked - 1) / kTrackedMost).give_back((tracked - 1) % kTrackedMost + 1);
    }
  }

 private:
  std::byte* at_;
  const OverflowShape& shape_;
  std::size_t stripes_;
};

}  // namespace sluice::detail
