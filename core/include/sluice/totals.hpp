// Lifetime totals of a process, from its start on, whether or not anybody reads windows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/resources.hpp"

namespace sluice {

/// One worker thread's place that has been used at least once.
struct ThreadTotals {
  std::size_t thread_id = 0;  ///< From 1.
  std::uint64_t request_count = 0;
};

/// request_count is the sum of threads[i].request_count. No count in here ever goes down from one
/// reading to the next.
struct ProcessTotals {
  double restart_time = 0.0;  ///< Seconds since the Unix epoch.
  double current_time = 0.0;  ///< Seconds since the Unix epoch.
  std::uint64_t request_count = 0;
  std::uint64_t request_busy_ns = 0;  ///< Time that threads spent inside requests, those in flight included.
  std::size_t active_requests = 0;
  std::vector<ThreadTotals> threads;  ///< Ascending by thread_id.
  Resources resources;

  /// current_time - restart_time; 0.0 if the wall clock was set back behind the start.
  [[nodiscard]] double running_seconds() const noexcept {
    return current_time > restart_time ? current_time - restart_time : 0.0;
  }
};

}  // namespace sluice
