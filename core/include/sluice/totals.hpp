// SPDX-License-Identifier: Apache-2.0
// Lifetime totals of a process, from its start on, independent of whether windows are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/resources.hpp"
#include "sluice/schema_info.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup read_api
/// @{

/// Totals of one worker slot that has been used at least once.
struct ThreadTotals {
  std::size_t thread_id = 0;        ///< Number of the slot, from 1.
  std::uint64_t request_count = 0;  ///< Number of requests that it completed.
};

/// Totals of one process. `request_count` is the sum of `threads[i].request_count`, unless the threads are event loops:
/// then there is no entry for any, and no busy time. No count ever goes down from one
/// reading to the next.
struct ProcessTotals {
  const SchemaInfo* schema = nullptr;    ///< Schema of the recorder; null for totals that none has filled.
  double restart_time = 0.0;             ///< Creation of the recorder, in seconds since the Unix epoch.
  double current_time = 0.0;             ///< Time of the reading, in seconds since the Unix epoch.
  std::uint64_t request_count = 0;       ///< Number of completed requests.
  std::uint64_t request_busy_ns = 0;     ///< Time that threads spent in requests, those in flight included.
  std::size_t active_requests = 0;       ///< Number of requests in flight.
  std::uint64_t oldest_request_ns = 0;   ///< Age of the oldest request in flight, as in a window.
  std::uint64_t untracked_requests = 0;  ///< Number of requests in flight whose age is not known.
  bool event_loops = false;              ///< True if the threads of the recorder are event loops.
  std::vector<ThreadTotals> threads;     ///< Totals by worker slot, ascending by `thread_id`.
  Resources resources;                   ///< Resources of the process.

  /// Returns current_time - restart_time, or 0.0 if the wall clock was set back behind the start.
  [[nodiscard]] double running_seconds() const noexcept {
    return current_time > restart_time ? current_time - restart_time : 0.0;
  }
};

/// @}

}  // namespace sluice
