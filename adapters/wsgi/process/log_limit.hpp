// SPDX-License-Identifier: Apache-2.0
// A rate limit for log lines about events that an untrusted process can cause at any rate.
#pragma once

#include <atomic>
#include <cstdint>

#include "sluice/clock.hpp"

namespace sluice::wsgi {

/// Allows a line for the first event, and then one line a minute. Any thread may call it; lock-free.
class LogLimit {
 public:
  static constexpr std::uint64_t kIntervalNs = 60'000'000'000;

  /// Counts an event. Returns the number of events since the previous line when a line is due, else 0. Each line is due
  /// for one thread only. Every event is in exactly one number.
  [[nodiscard]] std::uint64_t count(std::uint64_t now_ns = monotonic_ns()) noexcept {
    // Relaxed throughout: the count and the time publish no other memory.
    events_.fetch_add(1, std::memory_order_relaxed);
    std::uint64_t due_ns = due_ns_.load(std::memory_order_relaxed);
    if (now_ns < due_ns) return 0;
    if (!due_ns_.compare_exchange_strong(due_ns, now_ns + kIntervalNs, std::memory_order_relaxed)) return 0;
    return events_.exchange(0, std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> events_{0};
  std::atomic<std::uint64_t> due_ns_{0};
};

}  // namespace sluice::wsgi
