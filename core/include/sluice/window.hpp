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

/// One phase over all requests of a window.
struct PhaseWindow {
  std::uint64_t total_us = 0;
  std::uint64_t smallest_us = UINT64_MAX;  ///< UINT64_MAX: nothing observed; see min_us().
  std::uint64_t largest_us = 0;
  std::array<std::uint64_t, BucketLayout::kBuckets> buckets{};

  [[nodiscard]] bool observed() const noexcept { return smallest_us != UINT64_MAX; }
  [[nodiscard]] std::optional<std::uint64_t> min_us() const noexcept;
  [[nodiscard]] std::optional<std::uint64_t> max_us() const noexcept;

  void merge(const PhaseWindow& later) noexcept;
};

/// One worker slot in a window.
struct SlotWindow {
  std::uint64_t completed = 0;
  std::uint64_t busy_ns = 0;             ///< At most the window's length; parts of one request add up over windows.
  std::uint64_t cpu_ns = 0;              ///< Of the requests that completed, each whole.
  std::uint64_t current_elapsed_ns = 0;  ///< Age of the request in flight at the window's end.
  std::uint64_t max_duration_ns = 0;     ///< The longest request that completed.
  bool in_flight = false;                ///< A request was in flight at the window's end.

  void merge(const SlotWindow& later) noexcept;
};

/// Invariants, for every window that a drain returns, where R = request_count:
///   sum(status_classes) == R == sum(slots[i].completed) == sum(phases[p].buckets) for each p of the mode
///   slots[i].busy_ns <= elapsed_ns
struct Window {
  Mode mode = Mode::kEmbedded;
  double start_time = 0.0;  ///< Seconds since the Unix epoch; the very value of the previous window's stop_time.
  double stop_time = 0.0;   ///< Seconds since the Unix epoch.
  /// Seconds; stop_time - start_time, or the monotonic time between them if the wall clock was stepped. Rates use it.
  double sample_period = 0.0;
  std::uint64_t elapsed_ns = 0;  ///< Monotonic length.

  std::uint64_t request_count = 0;
  std::array<std::uint64_t, 5> status_classes{};  ///< 1xx to 5xx.
  std::array<PhaseWindow, kPhases> phases{};      ///< By Phase.
  std::uint64_t gil_wait_count = 0;
  std::uint64_t input_bytes = 0;
  std::uint64_t input_reads = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t output_writes = 0;

  std::vector<SlotWindow> slots;      ///< As many as the recorder has threads at most.
  std::size_t threads_started = 0;    ///< Slots ever used; at most slots.size().
  std::uint64_t active_requests = 0;  ///< In flight when the window was closed, those without a slot included.
  Resources resources;                ///< At the window's end.
  std::uint64_t cpu_user_us = 0;      ///< CPU time of the process in the window.
  std::uint64_t cpu_system_us = 0;    ///< CPU time of the process in the window.

  [[nodiscard]] const PhaseWindow& operator[](Phase phase) const noexcept { return phases[index(phase)]; }
  [[nodiscard]] PhaseWindow& operator[](Phase phase) noexcept { return phases[index(phase)]; }

  /// Per second of sample_period; 0.0 for a window of zero length.
  [[nodiscard]] double per_second(double amount) const noexcept;
  [[nodiscard]] double request_throughput() const noexcept;
  [[nodiscard]] double cpu_user_utilization() const noexcept;
  [[nodiscard]] double cpu_system_utilization() const noexcept;
  /// Busy time over sample_period * slots.size(); 0.0 for a window of zero length.
  [[nodiscard]] double capacity_utilization() const noexcept;
  /// Slots that completed a request or were in one at the window's end.
  [[nodiscard]] std::size_t threads_active() const noexcept;
  /// Seconds per request; 0.0 without requests.
  [[nodiscard]] double mean_seconds(Phase phase) const noexcept;

  /// Adds the counts of a window that follows this one. Times and resources are left to the caller.
  void merge_counts(const Window& later) noexcept;
  /// Makes this the window over both, given the one that follows.
  void append(const Window& next) noexcept;
  /// Zeroes the counts, keeps the number of slots.
  void clear_counts() noexcept;
};

}  // namespace sluice
