// SPDX-License-Identifier: Apache-2.0
// A model of a recorder: one thread, a list of requests, and every window computed from the whole list.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "expected.hpp"
#include "phases.hpp"
#include "sluice/totals.hpp"
#include "sluice/window.hpp"

namespace sluice::test {

class Model {
 public:
  Model(std::size_t slots, Mode mode, std::uint64_t now_ns)
      : mode_(mode), now_ns_(now_ns), used_(slots, false), cuts_at_ns_{now_ns} {}

  void advance(std::uint64_t ns) { now_ns_ += ns; }
  void attached(std::size_t slot) { used_[slot] = true; }

  /// Begins a request and returns its number. Without a slot it goes to the overflow counters.
  std::size_t begin(std::optional<std::size_t> slot) {
    requests_.push_back({.slot = slot, .start_ns = now_ns_});
    return requests_.size() - 1;
  }

  void finish(std::size_t request, const Completion& done) {
    Served& served = requests_[request];
    served.stop_ns = now_ns_;
    served.cut = cuts_at_ns_.size();  // the next cut
    served.done = done;
  }

  /// Makes a cut, because a reader drained or was added.
  void cut() {
    const std::size_t last = last_used();
    for (Served& served : requests_) {
      if (!served.slot && served.cut == cuts_at_ns_.size()) served.shown_with = last;
    }
    cuts_at_ns_.push_back(now_ns_);
  }

  [[nodiscard]] std::size_t cuts() const { return cuts_at_ns_.size(); }

  /// Returns the first difference between a window and the expected window over cuts (from, cuts()); empty if there is
  /// none.
  [[nodiscard]] std::string difference(const Window& window, std::size_t from) const {
    const std::size_t to = cuts_at_ns_.size();
    const std::uint64_t start_ns = cuts_at_ns_[from - 1];
    if (window.elapsed_ns != now_ns_ - start_ns) return "elapsed time";
    Counts expected;
    std::vector<ExpectedSlot> slots(used_.size());
    for (const Served& served : requests_) {
      if (served.slot && !served.stop_ns) {
        slots[*served.slot].in_flight = true;
        slots[*served.slot].current_elapsed_ns = now_ns_ - served.start_ns;
      }
      if (served.cut < from || served.cut >= to) continue;
      expected.add(served.done, mode_);
      ExpectedSlot& slot = slots[served.slot.value_or(served.shown_with)];
      ++slot.completed;
      slot.cpu_ns += served.done.cpu_ns;
      slot.max_duration_ns = std::max(slot.max_duration_ns, *served.stop_ns - served.start_ns);
    }
    for (std::size_t cut = from; cut < to; ++cut) add_busy(cut, slots);
    if (std::string diff = expected.difference(Counts::of(window)); !diff.empty()) return diff;
    const auto started = static_cast<std::size_t>(std::count(used_.begin(), used_.end(), true));
    if (window.threads_started != started && (started != 0 || window.threads_started != 1)) return "threads started";
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (std::string diff = difference(window, i, slots[i]); !diff.empty()) {
        return diff + " of slot " + std::to_string(i);
      }
    }
    return {};
  }

  /// Returns the first difference between lifetime totals and the expected ones; empty if there is none.
  [[nodiscard]] std::string difference(const ProcessTotals& totals) const {
    std::uint64_t count = 0;
    std::uint64_t busy_ns = 0;
    std::size_t active = 0;
    std::map<std::size_t, std::uint64_t> by_slot;
    const bool any_used = std::count(used_.begin(), used_.end(), true) != 0;
    std::uint64_t overflowed = 0;
    for (const Served& served : requests_) {
      active += served.stop_ns ? 0 : 1;
      if (served.slot || served.stop_ns) busy_ns += served.stop_ns.value_or(now_ns_) - served.start_ns;
      if (!served.stop_ns) continue;
      ++count;
      if (served.slot) {
        ++by_slot[*served.slot];
      } else {
        ++overflowed;
      }
    }
    if (totals.request_count != count) return "request count";
    if (totals.request_busy_ns != busy_ns) return "busy time";
    if (totals.active_requests != active) return "active requests";
    std::uint64_t listed = 0;
    for (const ThreadTotals& thread : totals.threads) {
      if (any_used && !used_[thread.thread_id - 1]) return "a thread that never started";
      if (thread.request_count < by_slot[thread.thread_id - 1]) return "request count of a thread";
      listed += thread.request_count - by_slot[thread.thread_id - 1];
    }
    if (listed != overflowed) return "requests without a slot";
    return {};
  }

 private:
  struct ExpectedSlot : SlotWindow {
    std::uint64_t cpu_ns = 0;
    std::uint64_t max_duration_ns = 0;
  };

  struct Served {
    std::optional<std::size_t> slot;
    std::uint64_t start_ns = 0;
    std::optional<std::uint64_t> stop_ns = {};
    std::size_t cut = SIZE_MAX;  ///< Cut that ends the window in which it completed.
    std::size_t shown_with = 0;  ///< Slot with which a request without a slot is listed.
    Completion done = {};
  };

  [[nodiscard]] std::size_t last_used() const {
    const auto last = std::find(used_.rbegin(), used_.rend(), true);
    return last == used_.rend() ? 0 : used_.size() - 1 - static_cast<std::size_t>(last - used_.rbegin());
  }

  /// Returns the busy time between a cut and the one before: that of each slot's requests by overlap, and that of
  /// overflow requests as far as the entry with which they are listed has room.
  void add_busy(std::size_t cut, std::vector<ExpectedSlot>& slots) const {
    const std::uint64_t from_ns = cuts_at_ns_[cut - 1];
    const std::uint64_t to_ns = cuts_at_ns_[cut];
    std::vector<std::uint64_t> busy_ns(slots.size());
    std::uint64_t overflow_ns = 0;
    std::optional<std::size_t> shown_with;
    for (const Served& served : requests_) {
      if (served.slot) {
        const std::uint64_t start_ns = std::max(served.start_ns, from_ns);
        const std::uint64_t stop_ns = std::min(served.stop_ns.value_or(now_ns_), to_ns);
        if (stop_ns > start_ns) busy_ns[*served.slot] += stop_ns - start_ns;
      } else if (served.cut == cut) {
        overflow_ns += *served.stop_ns - served.start_ns;
        shown_with = served.shown_with;
      }
    }
    if (shown_with) {
      busy_ns[*shown_with] = std::min(busy_ns[*shown_with] + overflow_ns, to_ns - from_ns);
    }
    for (std::size_t i = 0; i < slots.size(); ++i) slots[i].busy_ns += busy_ns[i];
  }

  static std::string difference(const Window& window, std::size_t slot, const ExpectedSlot& ought) {
    const SlotWindow& is = window.slots[slot];
    if (is.completed != ought.completed) return "completed";
    if (is.busy_ns != ought.busy_ns) {
      return "busy time " + std::to_string(is.busy_ns) + " for " + std::to_string(ought.busy_ns);
    }
    if (by_slot(window, slot, BySlot::kCpuNs) != ought.cpu_ns) return "CPU time";
    if (is.in_flight != ought.in_flight) return "in flight";
    if (is.current_elapsed_ns != ought.current_elapsed_ns) return "elapsed time of the request in flight";
    if (by_slot(window, slot, BySlot::kMaxDurationNs) != ought.max_duration_ns) return "longest request";
    return {};
  }

  Mode mode_;
  std::uint64_t now_ns_;
  std::vector<bool> used_;
  std::vector<std::uint64_t> cuts_at_ns_;
  std::vector<Served> requests_;
};

}  // namespace sluice::test
