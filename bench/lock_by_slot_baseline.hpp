// SPDX-License-Identifier: Apache-2.0
// The best case with locks: one lock for each slot, which only its thread and a drain ever lock. A request locks it
// twice, so that a drain sees the request in flight. Two things are worse than in the recorder: a drain locks one slot
// after another, so its windows are not consistent cuts, and a thread that is stopped while it holds a lock stops the
// drain.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "bench/floor.hpp"
#include "sluice/detail/slot.hpp"
#include "sluice/window.hpp"

namespace sluice::bench {

/// Counts requests behind a lock for each slot. Thread-safe if each slot is used by one thread at a time. A drain
/// blocks.
class LockBySlotRecorder {
 public:
  LockBySlotRecorder(std::size_t slots, Mode mode) : slots_(slots), mode_(mode) {}

  void begin(std::size_t index, std::uint64_t now_ns) noexcept {
    Slot& slot = slots_[index];
    const std::lock_guard lock(slot.mutex);
    slot.start_ns = slot.busy_since_ns = now_ns;
  }

  void finish(std::size_t index, const Completion& done, std::uint64_t now_ns) noexcept {
    Slot& slot = slots_[index];
    const std::lock_guard lock(slot.mutex);
    slot.counts.add(done, now_ns - slot.start_ns, mode_);
    slot.busy_ns += now_ns - slot.busy_since_ns;
    slot.start_ns = 0;
  }

  /// Returns the counts since the last drain. One caller at a time.
  void drain(std::uint64_t now_ns, Window& window) {
    if (window.schema == nullptr) window = empty_window(mode_, slots_.size());
    window.clear_counts();
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      window.slots[i] = {};
      cut(slots_[i], now_ns, window.slots[i]);
      slots_[i].counts.move_to(window, i);
    }
  }

 private:
  struct alignas(2 * detail::kLine) Slot {
    std::mutex mutex;
    std::uint64_t start_ns = 0;  ///< Start of the request in flight; 0 when idle.
    std::uint64_t busy_since_ns = 0;
    std::uint64_t busy_ns = 0;
    SwappedCounts counts;
  };

  static void cut(Slot& slot, std::uint64_t now_ns, SlotWindow& listed) {
    const std::lock_guard lock(slot.mutex);
    if (slot.start_ns != 0) {
      listed.in_flight = true;
      listed.current_elapsed_ns = now_ns - slot.start_ns;
      slot.busy_ns += now_ns - slot.busy_since_ns;
      slot.busy_since_ns = now_ns;
    }
    listed.busy_ns = slot.busy_ns;
    slot.busy_ns = 0;
    slot.counts.swap();
  }

  std::vector<Slot> slots_;
  Mode mode_;
};

}  // namespace sluice::bench
