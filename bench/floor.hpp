// The floor: what it costs to keep the same numbers in a program that has one thread and no reader. The recorder's own
// additions to plain memory; nothing that records requests can cost less than about this.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sluice/completion.hpp"
#include "sluice/detail/bank.hpp"
#include "sluice/detail/policy.hpp"
#include "sluice/detail/slot_view.hpp"
#include "sluice/window.hpp"

namespace sluice::bench {

/// Counts of one thread, or of several that take turns. Not thread-safe.
class PlainCounts {
 public:
  void add(const Completion& done, std::uint64_t duration_ns, Mode mode) noexcept {
    ++count_;
    sums_.add(done, duration_ns, phases_of(mode));
  }

  /// Moves the counts to a window that has none yet, and what is kept by slot to its slot's share.
  void move_to(Window& window, SlotWindow& slot) noexcept {
    window.request_count += count_;
    slot.completed += count_;
    count_ = 0;
    detail::take_sums(sums_, seen_, window, slot);
    sums_.clear_extremes();
  }

 private:
  std::uint64_t count_ = 0;
  detail::Bank<detail::RelaxedCounter> sums_;
  detail::BankBaseline seen_;
};

/// One slot's requests in one window that never ends. Not thread-safe.
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

  /// Counts only; times and resources are left out.
  [[nodiscard]] Window window() const {
    Window window;
    window.mode = mode_;
    SlotWindow& slot = window.slots.emplace_back();
    PlainCounts counts = counts_;
    counts.move_to(window, slot);
    slot.busy_ns = busy_ns_;
    return window;
  }

 private:
  std::uint64_t start_ns_ = 0;  ///< Of the request in flight; 0: idle.
  std::uint64_t busy_ns_ = 0;
  PlainCounts counts_;
  Mode mode_;
};

}  // namespace sluice::bench
