// SPDX-License-Identifier: Apache-2.0
// The floor: the cost of the same numbers in a program that has one thread and no reader. It uses the recorder's
// additions without any synchronization, because plain code that adds field by field takes longer than a record.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sluice/completion.hpp"
#include "sluice/detail/bank.hpp"
#include "sluice/detail/policy.hpp"
#include "sluice/detail/slot_reader_state.hpp"
#include "sluice/window.hpp"

namespace sluice::bench {

/// Counts of one thread at a time. Not thread-safe.
class PlainCounts {
 public:
  void add(const Completion& done, std::uint64_t duration_ns, Mode mode) noexcept {
    ++count_;
    sums_.add(done, duration_ns, phases_of(mode));
  }

  /// Adds the counts to a window, and those that are kept by slot to one slot.
  void add_to(Window& window, SlotWindow& slot) const noexcept {
    window.request_count += count_;
    slot.completed += count_;
    detail::LastRead nothing;
    detail::take_sums(sums_, nothing, window, slot);
  }

 private:
  std::uint64_t count_ = 0;
  detail::Bank<detail::RelaxedCounter> sums_;
};

/// Two sets of counts that alternate, so that one is read while the other is added to.
class SwappedCounts {
 public:
  void add(const Completion& done, std::uint64_t duration_ns, Mode mode) noexcept {
    counts_[now_].add(done, duration_ns, mode);
  }
  /// Swaps the two sets. The only part of a drain that needs a lock.
  void swap() noexcept { now_ ^= 1; }
  /// Returns the counts up to the last swap. One caller at a time, before the next swap.
  void move_to(Window& window, SlotWindow& slot) noexcept {
    counts_[now_ ^ 1].add_to(window, slot);
    counts_[now_ ^ 1] = {};
  }

 private:
  PlainCounts counts_[2];
  std::size_t now_ = 0;
};

/// The requests of one slot in one window that never ends. Not thread-safe.
class Floor {
 public:
  explicit Floor(Mode mode) : mode_(mode) {}

  void begin(std::uint64_t now_ns) noexcept { start_ns_ = now_ns; }

  void finish(const Completion& done, std::uint64_t now_ns) noexcept {
    const std::uint64_t duration_ns = now_ns > start_ns_ ? now_ns - start_ns_ : 0;
    counts_.add(done, duration_ns, mode_);
    busy_ns_ += duration_ns;
    start_ns_ = 0;
  }

  /// Returns the counts, without times and resources.
  [[nodiscard]] Window window() const {
    Window window;
    window.mode = mode_;
    SlotWindow& slot = window.slots.emplace_back();
    counts_.add_to(window, slot);
    slot.busy_ns = busy_ns_;
    return window;
  }

 private:
  std::uint64_t start_ns_ = 0;  ///< Start of the request in flight; 0 when idle.
  std::uint64_t busy_ns_ = 0;
  PlainCounts counts_;
  Mode mode_;
};

}  // namespace sluice::bench
