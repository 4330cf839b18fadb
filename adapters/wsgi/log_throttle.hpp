// One log line a period for something that clients can cause as often as they like, with the number of times it came.
#pragma once

#include <atomic>
#include <cstdint>

#include "sluice/clock.hpp"

namespace sluice::wsgi {

class LogThrottle {
 public:
  explicit LogThrottle(std::uint64_t period_ns) noexcept : period_ns_(period_ns) {}
  LogThrottle(const LogThrottle&) = delete;
  LogThrottle& operator=(const LogThrottle&) = delete;

  /// Counts an event. Returns how many there were since the last line, this one included, if a line is due; 0 if the
  /// caller is to log nothing. Any thread; lock-free.
  [[nodiscard]] std::uint64_t count(std::uint64_t now_ns = monotonic_ns()) noexcept {
    events_.fetch_add(1, std::memory_order_relaxed);                 // a count; orders nothing
    std::uint64_t due_ns = due_ns_.load(std::memory_order_relaxed);  // checked by the exchange
    if (now_ns < due_ns) return 0;
    // One thread wins the line. The count may then include events that came after this one, and never loses any.
    if (!due_ns_.compare_exchange_strong(due_ns, now_ns + period_ns_, std::memory_order_relaxed)) return 0;
    return events_.exchange(0, std::memory_order_relaxed);
  }

 private:
  const std::uint64_t period_ns_;
  std::atomic<std::uint64_t> due_ns_{0};  ///< No line before this time.
  std::atomic<std::uint64_t> events_{0};  ///< Since the last line.
};

}  // namespace sluice::wsgi
