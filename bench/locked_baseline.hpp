// SPDX-License-Identifier: Apache-2.0
// The mutex baseline: the same numbers, in the same windows, kept for all threads behind one lock. A request takes the
// lock as often as in the reference, which is mod_wsgi 6.1.1 with its monitor lock: four times.
//
//   begin   the integral of busy time over threads, the number of requests in flight, the slot's start
//   enter   the slot's start of the application
//   finish  the phases (sum, extremes, bucket), the counters, the status classes
//   leave   the slot's own sums, the integral again, the totals; the slot is idle
//
// Some work of the reference is left out, in favour of the baseline: the clock is not read inside the lock (the
// reference does this four times), records of slow requests are not kept, and the slot is a parameter instead of a
// thread-specific key.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "adapters/wsgi/schema/window.hpp"
#include "bench/floor.hpp"
#include "sluice/resources.hpp"
#include "sluice/window.hpp"

namespace sluice::bench {

/// Counters with the arithmetic of the recorder.
class WholeMicroseconds {
 public:
  void add(const Completion& done, std::uint64_t duration_ns, const Window& window) noexcept {
    counts_.add(done, duration_ns, wsgi::mode_of(window));
  }
  void swap() noexcept { counts_.swap(); }
  void move_to(Window& window) noexcept { counts_.move_to(window, std::nullopt); }

 private:
  SwappedCounts counts_;
};

/// A quarter of an octave from 1/128 ms on: its first bucket, and the bound inside it, which ends that bucket.
struct Cell {
  std::size_t first;
  double inclusive_ms;
};

inline constexpr double kFirstMs = 1.0 / 128.0;
inline constexpr double kLastMs = 65536.0;

inline constexpr auto kCells = [] {
  std::array<Cell, 23 * std::size_t{4}> cells{};
  const auto from_us = [](std::size_t cell) { return (1000 * ((4 + cell % 4) << cell / 4) + 511) / 512; };
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::size_t bucket = wsgi::BucketLayout::bucket_of(from_us(i));
    const std::uint64_t next_us = wsgi::BucketLayout::lower_bound(bucket + 1);
    cells[i] = {bucket, next_us < from_us(i + 1) ? static_cast<double>(next_us - 1) / 1000.0 : kLastMs};
  }
  return cells;
}();

/// Counters with the arithmetic of the reference: floating-point sums of seconds, buckets by frexp(), 32-bit counts.
/// The buckets are those of the recorder; the reference has 65 of them.
class Seconds {
 public:
  void add(const Completion& done, std::uint64_t duration_ns, Window& window) noexcept {
    const std::uint64_t us[wsgi::kPhases] = {done.server_us,     done.application_us,  done.request_us,
                                             done.input_read_us, done.output_write_us, done.gil_waits.total / 1000,
                                             done.queue_us,      done.daemon_us};
    const std::size_t phases = wsgi::phases_of(wsgi::mode_of(window));
    for (std::size_t p = 0; p < phases; ++p) phases_[now_][p].add(us[p]);
    ++window.request_count;
    ++window.sums[kField<&Completion::status>.sum + http::status_class(done.status)];
    window.sums[kWaits.sum] += done.gil_waits.count;
    window.sums[kField<&Completion::cpu_ns>.sum] += done.cpu_ns;
    window.sums[kField<&Completion::input_bytes>.sum] += done.input_bytes;
    window.sums[kField<&Completion::input_reads>.sum] += done.input_reads;
    window.sums[kField<&Completion::output_bytes>.sum] += done.output_bytes;
    window.sums[kField<&Completion::output_writes>.sum] += done.output_writes;
    std::uint64_t& longest_ns = window.extremes[kLongest.extreme];
    longest_ns = std::max(longest_ns, duration_ns);
  }

  void swap() noexcept { now_ ^= 1; }

  void move_to(Window& window) {
    auto& closed = phases_[now_ ^ 1];
    for (std::size_t p = 0; p < wsgi::kPhases; ++p) {
      const FieldInfo& field = window.schema->fields[wsgi::field_of(static_cast<wsgi::Phase>(p))];
      window.sums[field.sum] = static_cast<std::uint64_t>(std::llround(closed[p].total * 1e6));
      window.extremes[field.extreme] = closed[p].largest_us;
      window.extremes[field.extreme + 1] = ~closed[p].smallest_us;
      std::copy(closed[p].buckets.begin(), closed[p].buckets.end(), window.sums.begin() + field.buckets_at);
    }
    closed = {};
  }

 private:
  struct Phase {
    double total = 0.0;
    std::uint64_t smallest_us = UINT64_MAX;
    std::uint64_t largest_us = 0;
    std::array<std::uint32_t, wsgi::BucketLayout::kSize> buckets{};

    void add(std::uint64_t us) noexcept {
      const double seconds = static_cast<double>(us) / 1e6;
      total += seconds;
      smallest_us = std::min(smallest_us, us);
      largest_us = std::max(largest_us, us);
      ++buckets[bucket_of(seconds * 1e3)];
    }

    /// Returns the bucket of a duration. Because of rounding, a duration on a boundary may fall on either side.
    static std::size_t bucket_of(double ms) noexcept {
      if (ms < kFirstMs) return 0;
      if (ms >= kLastMs) return wsgi::BucketLayout::kSize - 1;
      int exponent = 0;
      const double quarter = (2.0 * std::frexp(ms, &exponent) - 1.0) * 4.0;
      const auto cell = static_cast<std::size_t>(exponent + 6) * 4 + std::min<std::size_t>(std::size_t(quarter), 3);
      return kCells[cell].first + (ms > kCells[cell].inclusive_ms ? 1 : 0);
    }
  };

  template <auto kMember>
  static constexpr const FieldInfo& kField = schema_info<Completion>.fields[sluice::detail::field_of<kMember>()];
  static constexpr const FieldInfo& kWaits =
      schema_info<Completion>.fields[sluice::detail::field_named<Completion>("gil.waits")];
  static constexpr const FieldInfo& kLongest =
      schema_info<Completion>.fields[sluice::detail::field_named<Completion>("request.longest")];

  std::array<Phase, wsgi::kPhases> phases_[2];
  std::size_t now_ = 0;
};

/// Counts requests behind one lock. Thread-safe if each slot is used by one thread at a time. All members block. One
/// drain at a time.
template <class Arithmetic>
class BasicLockedRecorder {
 public:
  BasicLockedRecorder(std::size_t slots, Mode mode, std::uint64_t now_ns)
      : window_(empty_window(mode, slots)), slots_(slots), cut_ns_(now_ns), integrated_ns_(now_ns) {}

  void begin(std::size_t slot, std::uint64_t now_ns) noexcept {
    const std::lock_guard lock(mutex_);
    integrate(now_ns);
    ++active_;
    slots_[slot] = {.start_ns = now_ns, .busy_since_ns = now_ns};
  }

  /// Sets the time at which the application was entered.
  void enter(std::size_t slot, std::uint64_t now_ns) noexcept {
    const std::lock_guard lock(mutex_);
    slots_[slot].application_start_ns = now_ns;
  }

  void finish(std::size_t slot, const Completion& done, std::uint64_t now_ns) noexcept {
    add(done, span_ns(slots_[slot].start_ns, now_ns));
    leave(slot, done, now_ns);
  }

  /// Returns the window since the last drain, without wall-clock times and CPU times. Reads resources and adds sums
  /// outside the lock, because the recorder does these away from its writers, too.
  void drain(std::uint64_t now_ns, Window& window) {
    cut(now_ns, window);
    sums_.move_to(window);
    window.resources = probe_.read();
  }

  /// Returns the busy time of all threads up to the last request that began or ended.
  [[nodiscard]] std::uint64_t busy_ns() const noexcept { return busy_ns_; }

 private:
  struct InFlight {
    std::uint64_t start_ns = 0;       ///< Start of the request in flight; 0 when idle.
    std::uint64_t busy_since_ns = 0;  ///< Its start, or the last cut.
    std::uint64_t application_start_ns = 0;
  };

  /// Adds busy time up to an instant. Ignores an instant in the past, which was read before the lock was taken.
  static std::uint64_t span_ns(std::uint64_t from_ns, std::uint64_t to_ns) noexcept {
    return to_ns > from_ns ? to_ns - from_ns : 0;
  }

  void integrate(std::uint64_t now_ns) noexcept {
    busy_ns_ += active_ * span_ns(integrated_ns_, now_ns);
    integrated_ns_ = std::max(integrated_ns_, now_ns);
  }

  void add(const Completion& done, std::uint64_t duration_ns) noexcept {
    const std::lock_guard lock(mutex_);
    sums_.add(done, duration_ns, window_);
  }

  std::uint64_t& by_slot(std::size_t index, wsgi::BySlot which) noexcept {
    return window_.slot_values[index * window_.schema->slot_fields.size() + static_cast<std::size_t>(which)];
  }

  void leave(std::size_t index, const Completion& done, std::uint64_t now_ns) noexcept {
    const std::lock_guard lock(mutex_);
    InFlight& in_flight = slots_[index];
    SlotWindow& slot = window_.slots[index];
    slot.busy_ns += span_ns(in_flight.busy_since_ns, now_ns);
    ++slot.completed;
    std::uint64_t& longest_ns = by_slot(index, wsgi::BySlot::kMaxDurationNs);
    longest_ns = std::max(longest_ns, span_ns(in_flight.start_ns, now_ns));
    by_slot(index, wsgi::BySlot::kCpuNs) += done.cpu_ns;
    in_flight = {};
    integrate(now_ns);
    --active_;
    ++total_;
  }

  void cut(std::uint64_t now_ns, Window& window) {
    const std::lock_guard lock(mutex_);
    integrate(now_ns);
    for (std::size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].start_ns == 0) continue;
      SlotWindow& slot = window_.slots[i];
      slot.in_flight = true;
      slot.current_elapsed_ns = span_ns(slots_[i].start_ns, now_ns);
      slot.busy_ns += span_ns(slots_[i].busy_since_ns, now_ns);
      slots_[i].busy_since_ns = now_ns;
    }
    sums_.swap();
    window = window_;
    window.elapsed_ns = now_ns - cut_ns_;
    window_.clear_counts();
    cut_ns_ = now_ns;
  }

  std::mutex mutex_;
  Arithmetic sums_;
  Window window_;
  std::vector<InFlight> slots_;
  std::uint64_t cut_ns_;
  std::uint64_t integrated_ns_;  ///< Instant up to which busy_ns_ counts.
  std::uint64_t busy_ns_ = 0;
  std::uint64_t active_ = 0;
  std::uint64_t total_ = 0;
  ResourceProbe probe_;
};

using LockedRecorder = BasicLockedRecorder<WholeMicroseconds>;
using LockedSecondsRecorder = BasicLockedRecorder<Seconds>;

}  // namespace sluice::bench
