// The floor: what it costs to keep the same numbers in a program that has one thread and no reader.
// Plain additions to a plain struct; nothing that records requests can cost less than about this.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sluice/completion.hpp"
#include "sluice/detail/bank.hpp"
#include "sluice/window.hpp"

namespace sluice::bench {

/// Adds one request to the counts of a window, its slot's share apart.
inline void add(const Completion& done, Window& window) noexcept {
  const std::uint64_t us[kPhases] = {done.server_us,     done.application_us,  done.request_us,
                                     done.input_read_us, done.output_write_us, done.gil_waits.total_ns / 1000,
                                     done.queue_us,      done.daemon_us};
  const std::size_t phases = phases_of(window.mode);
  std::size_t found[kPhases] = {};  // before the first is counted, as Bank has it
  for (std::size_t p = 0; p < phases; ++p) found[p] = Grid::bucket_of(us[p]);
  for (std::size_t p = 0; p < phases; ++p) {
    PhaseWindow& phase = window.phases[p];
    phase.total_us += us[p];
    ++phase.buckets[found[p]];
    if (p == index(Phase::kGilWait)) continue;
    phase.smallest_us = std::min(phase.smallest_us, us[p]);
    phase.largest_us = std::max(phase.largest_us, us[p]);
  }
  if (done.gil_waits.count != 0) {
    PhaseWindow& waits = window[Phase::kGilWait];
    waits.smallest_us = std::min(waits.smallest_us, done.gil_waits.min_ns / 1000);
    waits.largest_us = std::max(waits.largest_us, done.gil_waits.max_ns / 1000);
    window.gil_wait_count += done.gil_waits.count;
  }
  ++window.request_count;
  ++window.status_classes[detail::status_class(done.status)];
  window.input_bytes += done.input_bytes;
  window.input_reads += done.input_reads;
  window.output_bytes += done.output_bytes;
  window.output_writes += done.output_writes;
}

/// Adds one request to its slot's share, of its duration the part that lies in the window.
inline void add(const Completion& done, std::uint64_t duration_ns, std::uint64_t busy_ns, SlotWindow& slot) noexcept {
  ++slot.completed;
  slot.busy_ns += busy_ns;
  slot.cpu_ns += done.cpu_ns;
  slot.max_duration_ns = std::max(slot.max_duration_ns, duration_ns);
}

/// One slot's requests in one window that never ends. Not thread-safe.
class Floor {
 public:
  explicit Floor(Mode mode) { window_.mode = mode; }

  void begin(std::uint64_t now_ns) noexcept { start_ns_ = now_ns; }

  void finish(const Completion& done, std::uint64_t now_ns) noexcept {
    const std::uint64_t duration_ns = now_ns > start_ns_ ? now_ns - start_ns_ : 0;
    add(done, window_);
    add(done, duration_ns, duration_ns, slot_);
    start_ns_ = 0;
  }

  /// Counts only; times and resources are left out.
  [[nodiscard]] Window window() const {
    Window window = window_;
    window.slots = {slot_};
    return window;
  }

 private:
  std::uint64_t start_ns_ = 0;  ///< Of the request in flight; 0: idle.
  SlotWindow slot_;
  Window window_;
};

}  // namespace sluice::bench
