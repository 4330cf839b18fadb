// The reading side of the slots: cuts. A cut ends an epoch and takes from every slot what it recorded in it, so that
// each request is in exactly one cut, whole. Writers never wait for it; it waits for no request in flight, and for a
// writer that was stopped in the middle of a record only as long as its caller allows.
//
//   Order map of the reader (the writer's half is in slot.hpp, the argument in docs/memory-model.md)
//     [R0] cut    store uncollected   relaxed   published by [R1], read by [W4]
//     [R1] cut    store epoch      release   pairs with [W3]: the reads of a bank happen before its next writes
//     [R2] cut    heavy fence                pairs with [W2]: a writer either shows itself busy or sees the new epoch
//     [R3] cut    load  sequence   acquire   pairs with [W7]: a slot seen idle, or moved on, has left the old bank
//     [R4] cut    load  start_ns   acquire   pairs with [B1], [W6]: who sees a later state also sees the tag [W5]
//     [R5] cut    load  tag        acquire   pairs with [W5]: first_start_ns belongs to the tag
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "sluice/detail/slot.hpp"
#include "sluice/detail/slot_reader_state.hpp"
#include "sluice/window.hpp"

namespace sluice::detail {

/// The memory that writers and readers share, wherever it lies.
template <class Atomics>
struct SlotArray {
  Epoch<Atomics>* epoch = nullptr;
  typename Atomics::template Atomic<std::uint32_t>* high_water = nullptr;  ///< 1 + the highest slot ever claimed.
  UncollectedExtremes<Atomics>* uncollected = nullptr;                     ///< One a slot.
  Slot<Atomics>* slots = nullptr;                                          ///< `size` of them.
  std::size_t size = 0;
};

/// Not thread-safe: the owner serialises cuts.
template <class Atomics>
class EpochReader {
 public:
  EpochReader(SlotArray<Atomics> array, std::uint64_t now_ns)
      : array_(array), states_(array.size), cut_ns_(now_ns), previous_ns_(now_ns) {}

  /// Closes the current epoch at `now_ns` and adds it to `out`, whose `slots` has one entry a slot. `try_wait()` is
  /// asked before each turn of waiting for a busy writer; once it says no, the share of such a slot is left for the
  /// next cut. False if the heavy fence failed: nothing is lost, the next call takes up the same cut and wants the same
  /// `out`. Throws std::bad_alloc when a slot is met for the first time, with the same promise.
  template <class Fence, class TryWait>
  [[nodiscard]] bool cut(std::uint64_t now_ns, Window& out, TryWait&& try_wait) {
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
    interrupted_ = false;
    for (std::size_t i = 0; i < used; ++i) {
      if (!states_[i]) continue;
      if (quiesce(array_.slots[i], *states_[i], try_wait)) {
        take(i, closing_ & 1, out);
        settle(i, in_flight_since(array_.slots[i]), out.slots[i]);
      } else {
        defer(i, out.slots[i]);
      }
    }
    return true;
  }

  /// When the last cut was made, and the one before.
  [[nodiscard]] std::uint64_t cut_ns() const noexcept { return cut_ns_; }
  [[nodiscard]] std::uint64_t previous_cut_ns() const noexcept { return previous_ns_; }
  /// Slots that have ever been used, as of the last cut.
  [[nodiscard]] std::size_t slots_discovered() const noexcept { return discovered_; }

 private:
  /// Makes room for slots that were claimed since the last cut. Gives the number of slots to look at. Comes after [R2]:
  /// a writer claims before [W1], so whoever recorded in the epoch that was closed is seen here. Looked for any
  /// earlier, a slot claimed in between would be missed, and its extremes lost.
  std::size_t discover_slots() {
    const std::size_t claimed = array_.high_water->load(std::memory_order_relaxed);  // after [R2]
    const std::size_t used = std::min(claimed, states_.size());                      // more is no number of ours
    for (std::size_t i = 0; discovered_ < used && i < used; ++i) {
      const std::uint32_t state = array_.slots[i].state.load(std::memory_order_relaxed);  // after [R2]
      if (states_[i] || slot_state(state) == SlotState::kUnused) continue;
      states_[i] = std::make_unique<SlotReaderState>();
      ++discovered_;
    }
    return used;
  }

  /// Takes what earlier cuts had to leave, where the writer has gone on. The bank is at rest: the open epoch uses the
  /// other one. A writer that is still stuck is told to keep the extremes of the bank when it next opens it.
  void take_deferred(Window& out) {
    const std::uint64_t open = array_.epoch->value.load(std::memory_order_relaxed);  // own store
    const std::size_t resting = (open + 1) & 1;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (!states_[i] || !states_[i]->deferrals[resting].pending) continue;
      const Deferral& deferral = states_[i]->deferrals[resting];
      const std::uint64_t sequence = array_.slots[i].sequence.load(std::memory_order_acquire);  // [R3]
      if (sequence != deferral.stuck_sequence) {
        take(i, resting, out);
      } else {
        array_.uncollected[i].banks[resting].store(deferral.oldest_uncollected_tag, std::memory_order_relaxed);  // [R0]
      }
    }
  }

  /// True once no record that began before the epoch was closed is being written: the sequence is even, or it has moved
  /// on, and whoever entered since has seen the new epoch. Otherwise the bank is deferred, also when the record was
  /// waited for by an earlier cut: which of the two banks it writes cannot be told, as it may have read the epoch at
  /// any time.
  template <class TryWait>
  bool quiesce(const Slot<Atomics>& slot, SlotReaderState& state, TryWait& try_wait) {
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

  /// Adds what a bank at rest has grown by.
  void take(std::size_t i, std::size_t which, Window& out) {
    SlotReaderState& state = *states_[i];
    if (state.deferrals[which].pending) {
      state.deferrals[which].pending = false;
      array_.uncollected[i].banks[which].store(0, std::memory_order_relaxed);  // [R0]
    }
    const EpochBank<Atomics>& bank = array_.slots[i].banks[which];
    LastRead& seen = state.banks[which];
    const std::uint64_t count = bank.count.load(std::memory_order_relaxed);  // after [R3]
    if (count == seen.count) return;
    SlotWindow& slot = out.slots[i];
    slot.completed += count - seen.count;
    out.request_count += count - seen.count;
    seen.count = count;
    const std::uint64_t busy_ns = bank.busy_ns.load(std::memory_order_relaxed);  // after [R3]
    state.completed_busy_ns += busy_ns - seen.busy_ns;
    seen.busy_ns = busy_ns;
    take_sums(bank.sums, seen, out, slot);
  }

  /// When the request that was in flight at the cut had begun; 0 if none was. It may have completed since: then the
  /// first record of the new epoch tells.
  [[nodiscard]] std::uint64_t in_flight_since(const Slot<Atomics>& slot) const noexcept {
    std::uint64_t start_ns = slot.start_ns.load(std::memory_order_acquire);  // [R4]
    const EpochBank<Atomics>& next = slot.banks[(closing_ + 1) & 1];
    if (next.tag.load(std::memory_order_acquire) == closing_ + 2) {    // [R5]
      start_ns = next.first_start_ns.load(std::memory_order_relaxed);  // seen with [R5]
    }
    return start_ns <= cut_ns_ ? start_ns : 0;
  }

  /// Lists what was in flight at the cut, and gives the window its busy time.
  void settle(std::size_t i, std::uint64_t since_ns, SlotWindow& slot) noexcept {
    SlotReaderState& state = *states_[i];
    slot.in_flight = since_ns != 0;
    slot.current_elapsed_ns = slot.in_flight ? cut_ns_ - since_ns : 0;
    slot.busy_ns += state.busy.settle(state.completed_busy_ns, slot.current_elapsed_ns, cut_ns_ - previous_ns_);
  }

  /// The writer was stopped inside its record, so its bank cannot be read: the request counts as still in flight. Busy
  /// time of others in the bank comes with the cut that reads it.
  void defer(std::size_t i, SlotWindow& slot) noexcept {
    const std::uint64_t since_ns = array_.slots[i].start_ns.load(std::memory_order_acquire);  // [R4]
    settle(i, since_ns <= cut_ns_ ? since_ns : 0, slot);
  }

  SlotArray<Atomics> array_;
  std::vector<std::unique_ptr<SlotReaderState>> states_;
  std::size_t discovered_ = 0;
  std::uint64_t closing_ = 0;
  std::uint64_t cut_ns_;
  std::uint64_t previous_ns_;
  bool interrupted_ = false;
};

}  // namespace sluice::detail
