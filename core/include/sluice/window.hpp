// SPDX-License-Identifier: Apache-2.0
// A window: what one reader saw of all requests that completed between two of its drains. A plain value; merging two
// adjacent windows gives the window over both.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sluice/bucket_layout.hpp"
#include "sluice/phase.hpp"
#include "sluice/resources.hpp"

namespace sluice {

/// \defgroup read Read
/// Take windows and totals from a recorder, and quantiles and views from windows.
/// @{

/// One phase over all requests of a window.
struct PhaseWindow {
  std::uint64_t total_us = 0;              ///< Sum of the durations.
  std::uint64_t smallest_us = UINT64_MAX;  ///< Shortest duration; UINT64_MAX if there is none, see min_us().
  std::uint64_t largest_us = 0;            ///< Longest duration.
  std::array<std::uint64_t, BucketLayout::kBuckets> buckets{};  ///< Number of durations in each bucket.

  /// Returns true if the window has a duration of this phase. For Phase::kGilWait: a single wait.
  [[nodiscard]] bool observed() const noexcept { return smallest_us != UINT64_MAX; }
  /// Returns the shortest duration, if there is one.
  [[nodiscard]] std::optional<std::uint64_t> min_us() const noexcept;
  /// Returns the longest duration, if there is one.
  [[nodiscard]] std::optional<std::uint64_t> max_us() const noexcept;

  /// Adds the phase of a window that follows this one.
  void merge(const PhaseWindow& later) noexcept;
};

/// One worker slot in a window.
struct SlotWindow {
  std::uint64_t completed = 0;  ///< Number of completed requests.
  std::uint64_t busy_ns = 0;    ///< Busy time, at most the window's length; parts of a request add up over windows.
  std::uint64_t cpu_ns = 0;     ///< CPU time of the completed requests, each as a whole.
  std::uint64_t current_elapsed_ns = 0;  ///< Age of the request in flight at the end of the window; 0 when idle.
  std::uint64_t max_duration_ns = 0;     ///< Duration of the longest completed request.
  bool in_flight = false;                ///< True if a request was in flight at the end of the window.

  /// Adds the slot of a window that follows this one.
  void merge(const SlotWindow& later) noexcept;
};

/// All that completed between two drains of one reader. Invariants for every window that a drain returns, where R is
/// `request_count`:
///
///     sum(status_classes) == R == sum(slots[i].completed) == sum(phases[p].buckets) for each p of the mode
///     slots[i].busy_ns <= elapsed_ns
struct Window {
  Mode mode = Mode::kEmbedded;  ///< Mode of the recorder; says which phases exist.
  double start_time = 0.0;      ///< Seconds since the Unix epoch; exactly the `stop_time` of the previous window.
  double stop_time = 0.0;       ///< Seconds since the Unix epoch.
  /// Seconds; stop_time - start_time, or the monotonic time between them if the wall clock was stepped. Rates use it.
  double sample_period = 0.0;
  std::uint64_t elapsed_ns = 0;  ///< Length by the monotonic clock.

  std::uint64_t request_count = 0;                ///< Number of completed requests.
  std::array<std::uint64_t, 5> status_classes{};  ///< Number of responses by class, 1xx to 5xx.
  std::array<PhaseWindow, kPhases> phases{};      ///< Durations by Phase.
  std::uint64_t gil_wait_count = 0;               ///< Number of single waits for an interpreter lock.
  std::uint64_t input_bytes = 0;                  ///< Bytes read from request bodies.
  std::uint64_t input_reads = 0;                  ///< Number of reads from request bodies.
  std::uint64_t output_bytes = 0;                 ///< Bytes written to response bodies.
  std::uint64_t output_writes = 0;                ///< Number of writes to response bodies.

  std::vector<SlotWindow> slots;      ///< One entry for each worker slot of the recorder.
  std::size_t threads_started = 0;    ///< Number of slots that have ever been used; at most slots.size().
  std::uint64_t active_requests = 0;  ///< Number of requests in flight at the end, those without a slot included.
  Resources resources;                ///< Resources of the process at the end.
  std::uint64_t cpu_user_us = 0;      ///< User CPU time of the process in the window.
  std::uint64_t cpu_system_us = 0;    ///< System CPU time of the process in the window.

  /// Returns one phase.
  [[nodiscard]] const PhaseWindow& operator[](Phase phase) const noexcept { return phases[index(phase)]; }
  /// Returns one phase.
  [[nodiscard]] PhaseWindow& operator[](Phase phase) noexcept { return phases[index(phase)]; }

  /// Returns an amount per second of `sample_period`; 0.0 for a window of zero length.
  [[nodiscard]] double per_second(double amount) const noexcept;
  /// Returns completed requests per second.
  [[nodiscard]] double request_throughput() const noexcept;
  /// Returns user CPU seconds per second.
  [[nodiscard]] double cpu_user_utilization() const noexcept;
  /// Returns system CPU seconds per second.
  [[nodiscard]] double cpu_system_utilization() const noexcept;
  /// Returns the busy time of all slots over sample_period * slots.size(); 0.0 for a window of zero length.
  [[nodiscard]] double capacity_utilization() const noexcept;
  /// Returns the number of slots that completed a request or were in one at the end of the window.
  [[nodiscard]] std::size_t threads_active() const noexcept;
  /// Returns seconds per request; 0.0 without requests.
  [[nodiscard]] double mean_seconds(Phase phase) const noexcept;

  /// Adds the counts of a window that follows this one and has as many slots. Leaves times and resources alone.
  void merge_counts(const Window& later) noexcept;
  /// Makes this the window over both, given the window that follows and has as many slots.
  void append(const Window& next) noexcept;
  /// Sets all counts to zero and keeps the number of slots.
  void clear_counts() noexcept;
};

/// @}

}  // namespace sluice
