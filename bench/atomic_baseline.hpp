// SPDX-License-Identifier: Apache-2.0
// The usual approach without locks: one set of counters for all threads, with atomic additions. It has no coherent
// windows, because a reader that reads one counter after another sees parts of requests. Only the totals are exact,
// once all threads are done.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/floor.hpp"
#include "sluice/detail/bank.hpp"
#include "sluice/detail/policy.hpp"
#include "sluice/window.hpp"

namespace sluice::bench {

/// Counts requests with atomic additions. Thread-safe if each slot is used by one thread at a time. Lock-free.
class AtomicRecorder {
 public:
  AtomicRecorder(std::size_t slots, Mode mode) : start_ns_(slots), mode_(mode) {}

  void begin(std::size_t slot, std::uint64_t now_ns) noexcept {
    start_ns_[slot].store(now_ns, std::memory_order_relaxed);
  }

  void finish(std::size_t slot, const Completion& done, std::uint64_t now_ns) noexcept {
    const std::uint64_t start_ns = start_ns_[slot].load(std::memory_order_relaxed);
    const std::uint64_t duration_ns = now_ns > start_ns ? now_ns - start_ns : 0;
    sums_.add(done, duration_ns, static_cast<unsigned>(mode_));
    count_.add(1);
    busy_ns_.add(duration_ns);
    start_ns_[slot].store(0, std::memory_order_relaxed);
  }

  /// Returns the totals, all in one slot. Exact while no thread records.
  [[nodiscard]] Window totals() const {
    Window window = empty_window(mode_, 1);
    add_bank(sums_, count_.get(), window, 0);
    window.slots.front().busy_ns = busy_ns_.get();
    return window;
  }

 private:
  detail::Bank<detail::SharedCounter, Completion> sums_{};
  detail::SharedCounter count_;
  detail::SharedCounter busy_ns_;
  std::vector<std::atomic<std::uint64_t>> start_ns_;
  Mode mode_;
};

}  // namespace sluice::bench
