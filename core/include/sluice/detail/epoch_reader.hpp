// SPDX-License-Identifier: Apache-2.0
// The reading side of the slots. A cut ends an epoch and collects what each slot recorded in it. It is a consistent
// cut: each request is in exactly one, as a whole. Writers never wait for a cut. A cut waits for no request in flight,
// and for a writer that was stopped inside a record only as long as its caller allows.
//
//   Order map of the reader (the writer's half is in slot.hpp, the argument in docs/memory-model.md)
//     [R0] cut  store uncollected  relaxed  published by [R1], read by [W4]
//     [R1] cut  store epoch        release  synchronizes with [W3]: the reads of a bank happen before its next writes
//     [R2] cut  heavy fence                 pairs with [W2]: the reader sees a writer busy, or the writer sees the new
//                                           epoch
//     [R3] cut  load  sequence     acquire  synchronizes with [W7], [W1]: an idle slot, or one that has moved on,
//                                           has left the old bank
//     [R4] cut  load  start_ns     acquire  synchronizes with [B1], [W6]: the tag [W5] of the record before is visible
//     [R5] cut  load  tag          acquire  synchronizes with [W5]: first_start_ns belongs to the tag
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "sluice/detail/slot_array.hpp"
#include "sluice/detail/slot_reader_state.hpp"
#include "sluice/window.hpp"

namespace sluice::inline v0_1::detail {

/// Ends epochs and collects what slots recorded in them. Not thread-safe: the owner serializes calls.
template <class Atomics>
class EpochReader {
 public:
  /// Makes a reader of slots with the words of a schema and mode, whose first cut begins at `now_ns`.
  EpochReader(SlotArray<Atomics> array, const CountedWords& words, std::uint64_t now_ns)
      : array_(array), words_(words), states_(array.size), cut_ns_(now_ns), previous_ns_(now_ns) {}

  /// Ends the current epoch at `now_ns` and adds what it recorded to `out`, which has one entry a slot. Calls
  /// `try_wait()` for each turn of waiting for a busy writer; once that returns false, the share of the slot is
  /// deferred to a later cut. Returns false if the heavy fence failed. Nothing is lost then: the next call completes
  /// the same cut and needs the same `out`. Throws std::bad_alloc when a slot or a series of a slot is discovered, with
  /// the same guarantee. Costs a heavy fence and a look at each slot in use, and at each series that was recorded in.
  /// If there are series, counts are added only to those of `out`, and its totals are left to the caller.
  template <class Fence, class TryWait>
  [[nodiscard]] bool cut(std::uint64_t now_ns, Window& out, TryWait&& try_wait) {
    if (has_series()) out.series.make_room(0);
    if (!interrupted_) {
      take_deferred(out);
      previous_ns_ = cut_ns_;
      cut_ns_ = std::max(now_ns, cut_ns_);
      closing_ = array_.epoch->value.load(std::memory_order_relaxed);      // own store
      array_.epoch->value.store(closing_ + 1, std::memory_order_release);  // [R1]
      interrupted_ = true;
    }
    if (!Fence::heavy()) return false;  // [R2]
    const std::size_t used = discover_slots();
    if (has_series()) {
      for (std::size_t i = 0; i < used; ++i) {
        if (!states_[i]) continue;
        states_[i]->quiescent = quiesce(array_.slot(i).header(), *states_[i], try_wait);
        if (states_[i]->quiescent) discover_series(i, closing_ & 1, out);
      }
    }
    interrupted_ = false;
    for (std::size_t i = 0; i < used; ++i) {
      if (!states_[i]) continue;
      if (has_series() ? states_[i]->quiescent : quiesce(array_.slot(i).header(), *states_[i], try_wait)) {
        take(i, closing_ & 1, out);
        settle(i, in_flight_since(array_.slot(i)), out.slots[i]);
      } else {
        defer(i, out.slots[i]);
      }
    }
    return true;
  }

  /// Returns the instant of the last cut.
  [[nodiscard]] std::uint64_t cut_ns() const noexcept { return cut_ns_; }
  /// Returns the instant of the cut before the last one.
  [[nodiscard]] std::uint64_t previous_cut_ns() const noexcept { return previous_ns_; }
  /// Returns the number of slots that have ever been used, as of the last cut.
  [[nodiscard]] std::size_t slots_discovered() const noexcept { return discovered_; }

 private:
  /// Makes room for slots that were claimed since the last cut. Returns the number of slots to look at. Called after
  /// the fence [R2], because a writer claims its slot before [W1]: so every slot with a record in the closed epoch is
  /// found. An earlier call would miss a slot that is claimed in between, and its extremes would be lost.
  std::size_t discover_slots() {
    const std::size_t claimed = array_.high_water->load(std::memory_order_relaxed);  // after [R2]
    const std::size_t used = std::min(claimed, states_.size());                      // a larger number was overwritten
    for (std::size_t i = 0; discovered_ < used && i < used; ++i) {
      const std::uint32_t state = array_.slot(i).header().state.load(std::memory_order_relaxed);  // after [R2]
      if (states_[i] || slot_state(state) == SlotState::kUnused) continue;
      states_[i] = std::make_unique<SlotReaderState>(words_.sums);
      ++discovered_;
    }
    return used;
  }

  /// Collects what earlier cuts deferred, for slots whose writer has moved on. The bank is quiescent, because the open
  /// epoch uses the other one. A writer that is still stuck is told to keep the extremes of the bank when it next opens
  /// it.
  void take_deferred(Window& out) {
    const std::uint64_t open = array_.epoch->value.load(std::memory_order_relaxed);  // own store
    const std::size_t resting = (open + 1) & 1;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (!states_[i] || !states_[i]->deferrals[resting].pending) continue;
      const Deferral& deferral = states_[i]->deferrals[resting];
      const std::uint64_t sequence = array_.slot(i).header().sequence.load(std::memory_order_acquire);  // [R3]
      if (sequence != deferral.stuck_sequence) {
        discover_series(i, resting, out);
        take(i, resting, out);
      } else {
        array_.uncollected[i].banks[resting].store(deferral.oldest_uncollected_tag, std::memory_order_relaxed);  // [R0]
      }
    }
  }

  /// Waits until no record that began before the epoch was closed is being written, and returns true. That is so once
  /// the sequence is even or has moved on, because later records have read the new epoch. Returns false and defers the
  /// bank if `try_wait()` gives up, and if an earlier cut has waited for the same record: the record may have read the
  /// epoch at any time, so it is unknown which bank it writes.
  template <class TryWait>
  bool quiesce(const SlotHeader<Atomics>& slot, SlotReaderState& state, TryWait& try_wait) {
    const std::uint64_t first = slot.sequence.load(std::memory_order_acquire);  // [R3]
    if ((first & 1) == 0) return true;
    if (!state.waited_for(first)) {
      while (try_wait()) {
        if (slot.sequence.load(std::memory_order_acquire) != first) return true;  // [R3]
      }
    }
    state.deferrals[closing_ & 1].defer(first, closing_ + 1);
    return false;
  }

  /// Adds the growth of a quiescent bank.
  void take(std::size_t i, std::size_t which, Window& out) {
    SlotReaderState& state = *states_[i];
    if (state.deferrals[which].pending) {
      state.deferrals[which].pending = false;
      array_.uncollected[i].banks[which].store(0, std::memory_order_relaxed);  // [R0]
    }
    const BankRef<Atomics> bank = array_.slot(i).bank(which);
    LastRead& seen = state.banks[which];
    const std::uint64_t count = bank.header.count.load(std::memory_order_relaxed);  // after [R3]
    if (count == seen.count) return;
    const std::uint64_t grown = count - seen.count;
    out.slots[i].completed += grown;
    out.request_count += grown;
    seen.count = count;
    const std::uint64_t busy_ns = bank.header.busy_ns.load(std::memory_order_relaxed);  // after [R3]
    state.completed_busy_ns += busy_ns - seen.busy_ns;
    seen.busy_ns = busy_ns;
    if (has_series()) {
      take_series(i, which, grown, out);
    } else {
      take_words(bank.sums, bank.extremes, words_, seen,
                 {out.sums.data(), out.extremes.data(), slot_values_in(out, i)});
    }
  }

  [[nodiscard]] bool has_series() const noexcept { return array_.series_size != 0; }

  /// Makes room for the series that the list of a quiescent bank has.
  void discover_series(std::size_t i, std::size_t which, Window& out) {
    if (!has_series() || array_.series_of(i).touched(which).tag.load(std::memory_order_relaxed) == 0) return;
    SeriesReaderState& state = states_[i]->series;
    if (state.read.empty()) state.read.resize(array_.series_size + 1);
    array_.series_of(i).for_each_touched(which, [&](std::uint32_t number, const SeriesBankRef<Atomics>&) {
      if (!state.read[number]) state.read[number] = std::make_unique<SeriesReaderState::Banks>(words_.sums);
      out.series.make_room(number);
    });
  }

  /// Adds the growth of the series that are listed in a quiescent bank, and that of the slot's own counters: requests
  /// without labels are those of the `grown` that no series has.
  void take_series(std::size_t i, std::size_t which, std::uint64_t grown, Window& out) noexcept {
    SeriesReaderState& state = states_[i]->series;
    std::uint64_t* const by_slot = slot_values_in(out, i);
    std::uint64_t in_series = 0;
    const std::uint64_t tag = array_.series_of(i).touched(which).tag.load(std::memory_order_relaxed);  // after [R3]
    if (std::exchange(state.tags[which], tag) != tag) {
      array_.series_of(i).for_each_touched(which, [&](std::uint32_t number, const SeriesBankRef<Atomics>& bank) {
        if (!state.has_read(number) || !out.series.has(number)) return;  // the list was overwritten meanwhile
        LastRead& seen = state.read[number]->banks[which];
        const std::uint64_t count = bank.header.count.load_quiescent();
        const std::uint64_t more = count - std::exchange(seen.count, count);
        const SeriesCounts::Entry to = out.series.at(number);
        in_series += more;
        to.request_count += more;
        take_words(bank.sums, bank.extremes, words_, seen, {to.sums.data(), to.extremes.data(), by_slot});
      });
    }
    if (in_series == grown) return;
    const BankRef<Atomics> own = array_.slot(i).bank(which);
    const SeriesCounts::Entry to = out.series.at(0);
    to.request_count += grown - in_series;
    take_words(own.sums, own.extremes, words_, states_[i]->banks[which], {to.sums.data(), to.extremes.data(), by_slot});
  }

  /// Returns the start of the request that was in flight at the cut; 0 if there was none. If the request has completed
  /// since, the first record of the new epoch has its start.
  [[nodiscard]] std::uint64_t in_flight_since(const SlotRef<Atomics>& slot) const noexcept {
    std::uint64_t start_ns = slot.header().start_ns.load(std::memory_order_acquire);  // [R4]
    const EpochHeader<Atomics>& next = slot.bank((closing_ + 1) & 1).header;
    if (next.tag.load(std::memory_order_acquire) == closing_ + 2) {    // [R5]
      start_ns = next.first_start_ns.load(std::memory_order_relaxed);  // ordered by [R5]
    }
    return start_ns <= cut_ns_ ? start_ns : 0;
  }

  /// Sets the request in flight at the cut, and adds the busy time of the window.
  void settle(std::size_t i, std::uint64_t since_ns, SlotWindow& slot) noexcept {
    SlotReaderState& state = *states_[i];
    slot.in_flight = since_ns != 0;
    slot.current_elapsed_ns = slot.in_flight ? cut_ns_ - since_ns : 0;
    slot.busy_ns += state.busy.settle(state.completed_busy_ns, slot.current_elapsed_ns, cut_ns_ - previous_ns_);
  }

  /// Reports the request of a slot whose writer was stopped inside its record, so that its bank cannot be read. The
  /// request counts as in flight; the busy time of others in the bank is added by the cut that collects it.
  void defer(std::size_t i, SlotWindow& slot) noexcept {
    const std::uint64_t since_ns = array_.slot(i).header().start_ns.load(std::memory_order_acquire);  // [R4]
    settle(i, since_ns <= cut_ns_ ? since_ns : 0, slot);
  }

  SlotArray<Atomics> array_;
  const CountedWords words_;
  std::vector<std::unique_ptr<SlotReaderState>> states_;
  std::size_t discovered_ = 0;
  std::uint64_t closing_ = 0;
  std::uint64_t cut_ns_;
  std::uint64_t previous_ns_;
  bool interrupted_ = false;
};

}  // namespace sluice::detail
