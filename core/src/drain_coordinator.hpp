// The reading side of a recorder, for one holder of its mutex: makes cuts, and gives each registered reader its share.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "memory.hpp"
#include "sluice/detail/epoch_reader.hpp"
#include "sluice/recorder.hpp"
#include "sluice/resources.hpp"
#include "timeline.hpp"

namespace sluice {

class WaitBudget;

class Recorder::DrainCoordinator {
 public:
  DrainCoordinator(const Options& options, bool asymmetric, Memory& memory);

  /// Registers a reader whose first window begins now. False if there is one of that number: numbers come round.
  [[nodiscard]] bool add(std::uint64_t id);
  void remove(std::uint64_t id) noexcept;
  [[nodiscard]] absl::Status drain(std::uint64_t id, Window& window);
  [[nodiscard]] ProcessTotals totals();

 private:
  /// One reader's unfinished window: what cuts have put aside for it, and where it began.
  struct Pending {
    std::uint64_t id;
    std::uint64_t start_ns;
    Resources start_resources;
    bool stepped;
    bool
        joined;  ///< False until the cut that was under way when the reader was added is complete: that is not its own.
    Window window;
  };

  [[nodiscard]] Window empty_window() const;
  Pending& pending(std::uint64_t id);
  [[nodiscard]] absl::Status cut();
  [[nodiscard]] bool complete_cut();
  void take_overflow(WaitBudget& budget);
  void take_overflow_bank(detail::OverflowBank& bank);
  void list_overflow(ProcessTotals& totals) noexcept;
  void finish(Pending& pending, const Resources& now) const noexcept;
  [[nodiscard]] std::size_t last_used_slot() const noexcept;

  const Options options_;
  const bool asymmetric_;
  Memory& memory_;
  std::mutex mutex_;
  ResourceProbe probe_;
  Timeline timeline_;
  Timeline::Instant instant_;  ///< Of the last cut.
  const double restart_time_;
  detail::EpochReader<detail::ProductionAtomics> reader_;
  detail::LastRead overflow_seen_[2];
  Window scratch_;            ///< The cut under way.
  bool interrupted_ = false;  ///< The last cut could not be completed; the next call goes on with it.
  std::vector<Pending> pending_;
  std::uint64_t busy_floor_ns_ = 0;
  std::vector<std::uint64_t>
      overflow_by_slot_;  ///< By slot: the requests of the overflow counters that lifetime totals list with it.
  std::uint64_t overflow_listed_ = 0;  ///< Their sum.
};

}  // namespace sluice
