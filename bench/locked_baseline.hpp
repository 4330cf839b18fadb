// The mutex baseline: the same numbers, in the same windows, kept by all threads in one place
// behind one lock. A request takes it when it begins, so that a drain sees it in flight, and when
// it is done.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include "bench/floor.hpp"
#include "sluice/completion.hpp"
#include "sluice/resources.hpp"
#include "sluice/window.hpp"

namespace sluice::bench {

/// Thread-safe, as long as each slot is used by one thread at a time. Everything blocks.
class LockedRecorder {
 public:
  LockedRecorder(std::size_t slots, Mode mode, std::uint64_t now_ns) : start_ns_(slots), cut_ns_(now_ns) {
    window_.mode = mode;
    window_.slots.resize(slots);
  }

  void begin(std::size_t slot, std::uint64_t now_ns) noexcept {
    const std::lock_guard lock(mutex_);
    start_ns_[slot] = now_ns;
  }

  void finish(std::size_t slot, const Completion& done, std::uint64_t now_ns) noexcept {
    const std::lock_guard lock(mutex_);
    const std::uint64_t start_ns = start_ns_[slot];
    const std::uint64_t busy_ns = span_ns(std::max(start_ns, cut_ns_), now_ns);
    add(done, window_);
    add(done, span_ns(start_ns, now_ns), busy_ns, window_.slots[slot]);
    start_ns_[slot] = 0;
  }

  /// The window since the last drain, without wall-clock times and CPU times. Readings of the
  /// process are taken outside the lock, as the recorder keeps them away from its writers.
  void drain(std::uint64_t now_ns, Window& window) {
    take(now_ns, window);
    window.resources = probe_.read();
  }

 private:
  /// An instant that was read before the lock was taken may lie before one that is in there.
  static std::uint64_t span_ns(std::uint64_t from_ns, std::uint64_t to_ns) noexcept {
    return to_ns > from_ns ? to_ns - from_ns : 0;
  }

  void take(std::uint64_t now_ns, Window& window) {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < start_ns_.size(); ++i) {
      if (start_ns_[i] == 0) continue;
      SlotWindow& slot = window_.slots[i];
      slot.in_flight = true;
      slot.current_elapsed_ns = span_ns(start_ns_[i], now_ns);
      slot.busy_ns += span_ns(std::max(start_ns_[i], cut_ns_), now_ns);
    }
    window = window_;
    window.elapsed_ns = now_ns - cut_ns_;
    window_.clear_counts();
    cut_ns_ = now_ns;
  }

  std::mutex mutex_;
  Window window_;
  std::vector<std::uint64_t> start_ns_;  ///< By slot, of the request in flight; 0: idle.
  std::uint64_t cut_ns_;
  ResourceProbe probe_;
};

}  // namespace sluice::bench
