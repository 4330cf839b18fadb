// SPDX-License-Identifier: Apache-2.0
// A window: what one reader saw of all requests that completed between two of its drains. A plain value; merging two
// adjacent windows gives the window over both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "sluice/counts.hpp"
#include "sluice/exemplar.hpp"
#include "sluice/resources.hpp"
#include "sluice/schema_info.hpp"
#include "sluice/series.hpp"

namespace sluice::inline v0_1 {

/// \defgroup read_api Read
/// Take windows and totals from a recorder, and quantiles and views from windows.
/// @{

/// One worker slot in a window.
struct SlotWindow {
  std::uint64_t completed = 0;  ///< Number of completed requests.
  std::uint64_t busy_ns = 0;    ///< Busy time, at most the window's length; parts of a request add up over windows.
  std::uint64_t current_elapsed_ns = 0;  ///< Age of the request in flight at the end of the window; 0 when idle.
  bool in_flight = false;                ///< True if a request was in flight at the end of the window.

  /// Adds the slot of a window that follows this one.
  void merge(const SlotWindow& later) noexcept;
};

/// All that completed between two drains of one reader. Invariants for every window that a drain returns, where R is
/// `request_count`:
///
///     R == sum(slots[i].completed) == the sum of each field of classes == the sum of the buckets of each histogram
///     slots[i].busy_ns <= elapsed_ns
struct Window {
  const SchemaInfo* schema = nullptr;  ///< Schema of the recorder; null for a window that no drain has filled.
  std::uint8_t mode = 0;               ///< Mode of the recorder; says which fields exist.
  double start_time = 0.0;             ///< Seconds since the Unix epoch; exactly the `stop_time` of the window before.
  double stop_time = 0.0;              ///< Seconds since the Unix epoch.
  /// Seconds; stop_time - start_time, or the monotonic time between them if the wall clock was stepped. Rates use it.
  double sample_period = 0.0;
  std::uint64_t elapsed_ns = 0;  ///< Length by the monotonic clock.

  std::uint64_t request_count = 0;         ///< Number of completed requests.
  std::vector<std::uint64_t> sums;         ///< Sums, in the words of the schema.
  std::vector<std::uint64_t> extremes;     ///< Extremes, in the words of the schema.
  std::vector<std::uint64_t> slot_values;  ///< By worker slot, the values of SchemaInfo::slot_fields.
  SeriesCounts series;                     ///< The same counts by series; their sum is that of the window.
  /// Slow requests that the recorder keeps at the end, in no order: requests of this window, or of earlier ones, which
  /// encoders leave out. At most RecorderOptions::kExemplarRanges for each slot; one that is being replaced is missing.
  std::vector<Exemplar> exemplars;

  std::vector<SlotWindow> slots;      ///< One entry for each worker slot of the recorder.
  std::size_t threads_started = 0;    ///< Number of slots that have ever been used; at most slots.size().
  std::uint64_t active_requests = 0;  ///< Number of requests in flight at the end, those without a slot included.
  /// Age of the oldest request in flight at the end; 0: none. A lower bound if `untracked_requests` is not 0.
  std::uint64_t oldest_request_ns = 0;
  std::uint64_t untracked_requests = 0;  ///< Number of requests in flight at the end whose age is not known.
  /// True if the threads of the recorder are event loops. All that is counted is then in the first of `slots`, without
  /// busy time, and `threads_started` and what is computed of threads are 0.
  bool event_loops = false;
  Resources resources;              ///< Resources of the process at the end.
  std::uint64_t cpu_user_us = 0;    ///< User CPU time of the process in the window.
  std::uint64_t cpu_system_us = 0;  ///< System CPU time of the process in the window.

  /// Makes an empty window without a schema.
  Window() noexcept = default;
  /// Makes an empty window of a schema, for `threads` worker slots.
  /// \throws std::bad_alloc
  Window(const SchemaInfo& what, std::uint8_t in_mode, std::size_t threads);

  /// Returns the counts without the times.
  [[nodiscard]] CountsRef counts() const noexcept { return {schema, mode, sums, extremes}; }
  /// Returns the sum of a counter, the counts of classes, a histogram or a maximum, by the member of the struct that
  /// was recorded: `window.get<&Call::duration_ns>()`. See CountsRef::get().
  template <auto kMember>
  [[nodiscard]] auto get() const noexcept {
    return counts().get<kMember>();
  }
  /// Returns a value that the schema keeps by slot, by the place of its field among SchemaInfo::slot_fields.
  [[nodiscard]] std::uint64_t slot_value(std::size_t slot, std::size_t which) const noexcept {
    return slot_values[slot * schema->slot_fields.size() + which];
  }

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

  /// Adds the counts of a window that follows this one, of the same schema and with as many slots. Leaves times,
  /// resources and exemplars as they are. Requests of a recorder without series are added to those without labels.
  /// \throws std::bad_alloc if there is no room for the series of `later`. Nothing is added then.
  /// \throws std::invalid_argument if the schema, the mode or the number of slots differ, or if both have series, of
  /// two
  ///         recorders. Nothing is added then.
  void merge_counts(const Window& later);
  /// Extends this window by the one that follows it, of the same schema and with as many slots. The exemplars are those
  /// of `next`. A window that no drain has filled becomes a copy of `next`; as `next` it adds nothing.
  /// \throws std::bad_alloc As merge_counts() does. Nothing is added then.
  /// \throws std::invalid_argument As merge_counts() does.
  void append(const Window& next);
  /// Sets all counts to zero and keeps the schema and the number of slots.
  void clear_counts() noexcept;
};

/// @}

}  // namespace sluice
