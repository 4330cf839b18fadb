// SPDX-License-Identifier: Apache-2.0
// The reading side of a recorder: makes cuts under a mutex, and adds each cut to the pending window of every reader.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "memory.hpp"
#include "series_names.hpp"
#include "sluice/detail/epoch_reader.hpp"
#include "sluice/recorder_options.hpp"
#include "sluice/resources.hpp"
#include "sluice/status.hpp"
#include "sluice/totals.hpp"
#include "sluice/window.hpp"
#include "timeline.hpp"

namespace sluice::inline v0_1::detail {

class WaitBudget;

/// Coordinates the drains of all readers of a recorder. Thread-safe.
class DrainCoordinator {
 public:
  /// The process that a coordinator is made for. A forked child has readers of its parent that no one has registered.
  enum class Process : std::uint8_t { kFirst, kForked };

  /// Makes a coordinator without readers; `memory` must outlive it.
  DrainCoordinator(const RecorderOptions& options, bool asymmetric, RecorderMemory& memory,
                   std::shared_ptr<const SeriesNames> names, Process process = Process::kFirst);

  /// Registers a reader whose first window begins now. Returns false if a reader has the id, because ids wrap around.
  [[nodiscard]] bool add(std::uint64_t id);
  /// Removes a reader.
  void remove(std::uint64_t id) noexcept;
  /// Sets `window` to what the reader has pending. See Reader::drain().
  [[nodiscard]] Status drain(std::uint64_t id, Window& window);
  /// Adds a window of the last drain to what the reader has pending. See Reader::give_back().
  void give_back(std::uint64_t id, const Window& window);
  /// See Recorder::totals().
  [[nodiscard]] ProcessTotals totals();

 private:
  /// The values of the banks of a stripe of the overflow counters when they were last read.
  struct StripeSeen {
    LastRead banks[2];
    SeriesReaderState series = {};
  };

  /// The unfinished window of one reader.
  struct Pending {
    std::uint64_t id;
    std::uint64_t start_ns;     ///< Instant of the cut with which the window begins.
    Resources start_resources;  ///< Resources at that instant.
    bool stepped;               ///< The wall clock was stepped in the window.
    /// False until the cut that was interrupted when the reader was added is complete: that cut is not part of the
    /// window.
    bool joined;
    Window window;
  };

  [[nodiscard]] Window empty_window() const;
  [[nodiscard]] Pending begin_now(std::uint64_t id);
  Pending& pending(std::uint64_t id);
  template <class Function>
  void for_each_pending(Function&& function);
  [[nodiscard]] Status cut();
  [[nodiscard]] bool complete_cut();
  void discover_stripes();
  void take_overflow(WaitBudget& budget);
  void add_overflow_busy() noexcept;
  void take_overflow_bank(std::size_t stripe, std::size_t which);
  void discover_overflow_series(std::size_t stripe, std::size_t which);
  void take_overflow_series(std::size_t stripe, std::size_t which, std::uint64_t count,
                            std::uint64_t* by_slot) noexcept;
  void list_overflow(ProcessTotals& totals) noexcept;
  void finish(Pending& pending, const Resources& now) const noexcept;
  [[nodiscard]] std::size_t last_used_slot() const noexcept;

  const RecorderOptions options_;
  const bool asymmetric_;
  RecorderMemory& memory_;
  const std::shared_ptr<const SeriesNames> names_;  ///< Labels of the series; null without series.
  const CountedWords words_;
  std::mutex mutex_;
  ResourceProbe probe_;
  Timeline timeline_;
  Timeline::Instant instant_;  ///< Instant of the last cut.
  const double restart_time_;
  detail::EpochReader<detail::ProductionAtomics> reader_;
  std::vector<std::unique_ptr<StripeSeen>> stripes_seen_;  ///< By stripe; null: not used yet.
  Window scratch_;                                         ///< Counts of the cut under way.
  std::vector<Exemplar> exemplars_;                        ///< Exemplars of the drain under way.
  bool interrupted_ = false;            ///< True if the last cut was not completed; the next call completes it.
  bool slots_taken_ = false;            ///< True if it has collected the slots.
  bool overflow_taken_ = false;         ///< True if it has collected the overflow counters.
  std::uint64_t overflow_busy_ns_ = 0;  ///< Busy time of the requests without a slot that it has collected.
  std::vector<Pending> pending_;
  /// In a forked child, everything since this coordinator was made. The first window of each reader of the parent is a
  /// copy of it, whichever other reader drains before. Kept as long as the child lives, in which each cut therefore
  /// adds to one window more.
  std::optional<Pending> since_fork_;
  std::uint64_t busy_floor_ns_ = 0;
  std::vector<std::uint64_t> overflow_by_slot_;  ///< Number of overflow requests that lifetime totals list, by slot.
  std::uint64_t overflow_listed_ = 0;            ///< Sum of `overflow_by_slot_`.
};

}  // namespace sluice::detail
