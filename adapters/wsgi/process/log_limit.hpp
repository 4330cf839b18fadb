// A limit for log lines about events that an untrusted process can cause as often as it likes.
#pragma once

#include <atomic>
#include <cstdint>

#include "sluice/clock.hpp"

namespace sluice::wsgi {

/// Lets the first event be logged, and then one in each minute. Any thread; lock-free.
class LogLimit {
 public:
  static constexpr std::uint64_t kIntervalNs = 60'000'000'000;

  /// Counts an event. Returns how many events the line to be written stands for, this one included; 0 when no line is
  /// due. One thread wins each line; its number may include events that came later, and no event is left out.
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
