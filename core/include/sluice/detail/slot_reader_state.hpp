// What the reading side remembers of one slot: how far each bank had been read, and how much busy time has been given
// to windows. One reader at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "sluice/detail/slot.hpp"
#include "sluice/window.hpp"

namespace sluice::detail {

/// The values of a bank when it was last read. Only what grows; extremes need no memory.
struct LastRead {
  std::uint64_t count = 0;
  std::uint64_t busy_ns = 0;
  std::uint64_t status[kStatusClasses] = {};
  std::uint64_t cpu_ns = 0;
  std::uint64_t gil_wait_count = 0;
  std::uint64_t input_bytes = 0;
  std::uint64_t input_reads = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t output_writes = 0;
  std::uint64_t total_us[kPhases] = {};
  std::uint64_t buckets[kPhases][BucketLayout::kBuckets] = {};
};

/// Adds to `sum` what a counter at rest has grown by since `seen`, and moves `seen` on.
template <class Counter>
void take_delta(const Counter& counter, std::uint64_t& seen, std::uint64_t& sum) noexcept {
  const std::uint64_t now = counter.load_quiescent();
  sum += now - seen;
  seen = now;
}

/// The same for a row of them. The three do not overlap, so that a compiler may take several at once.
template <class Counter, std::size_t kSize>
void take_delta(const Counter (&counters)[kSize], std::uint64_t (&seen)[kSize], std::uint64_t* sums) noexcept {
  const Counter* __restrict const from = counters;
  std::uint64_t* __restrict const known = seen;
  std::uint64_t* __restrict const to = sums;
  for (std::size_t i = 0; i < kSize; ++i) take_delta(from[i], known[i], to[i]);
}

/// Adds what a quiescent bank has grown by to a window, extremes included. The caller knows that it has grown.
template <class Counter>
void take_sums(const Bank<Counter>& bank, LastRead& seen, Window& window, SlotWindow& slot) noexcept {
  take_delta(bank.status, seen.status, window.status_classes.data());
  take_delta(bank.cpu_ns, seen.cpu_ns, slot.cpu_ns);
  take_delta(bank.gil_wait_count, seen.gil_wait_count, window.gil_wait_count);
  take_delta(bank.input_bytes, seen.input_bytes, window.input_bytes);
  take_delta(bank.input_reads, seen.input_reads, window.input_reads);
  take_delta(bank.output_bytes, seen.output_bytes, window.output_bytes);
  take_delta(bank.output_writes, seen.output_writes, window.output_writes);
  slot.max_duration_ns = std::max(slot.max_duration_ns, bank.max_duration_ns.load_quiescent());
  for (std::size_t p = 0; p < phases_of(window.mode); ++p) {
    PhaseWindow& phase = window.phases[p];
    take_delta(bank.total_us[p], seen.total_us[p], phase.total_us);
    take_delta(bank.buckets[p], seen.buckets[p], phase.buckets.data());
    phase.smallest_us = std::min(phase.smallest_us, ~bank.smallest_complement_us[p].load_quiescent());
    phase.largest_us = std::max(phase.largest_us, bank.largest_us[p].load_quiescent());
  }
}

/// Busy time of a slot as a running account: what its requests are known to have used up to a cut, against what windows
/// have been given. A window gets the difference, at most its own length; a remainder goes to the next. So parts add up
/// to the whole and none exceeds its window, whatever the clocks of writer and reader say to one another. The request
/// in flight at the cut gives its part of the window in any case; what the account is then ahead, later ones get less.
struct BusyAccount {
  std::uint64_t credited_ns = 0;

  std::uint64_t settle(std::uint64_t completed_ns, std::uint64_t elapsed_ns, std::uint64_t period_ns) noexcept {
    const std::uint64_t used_ns = completed_ns + elapsed_ns;
    const std::uint64_t owed_ns = used_ns > credited_ns ? used_ns - credited_ns : 0;
    const std::uint64_t part_ns = std::min(std::max(owed_ns, elapsed_ns), period_ns);
    credited_ns += part_ns;
    return part_ns;
  }
};

/// A bank that could not be read when its epoch was closed, because its writer was stopped inside a record.
struct Deferral {
  bool pending = false;
  std::uint64_t stuck_sequence =
      0;  ///< Meaningful while pending: once the slot's sequence differs, the record is whole.
  std::uint64_t oldest_uncollected_tag = 0;  ///< Meaningful while pending: of the first epoch that no window has taken.

  void defer(std::uint64_t sequence, std::uint64_t tag) noexcept {
    if (!pending) oldest_uncollected_tag = tag;
    pending = true;
    stuck_sequence = sequence;
  }
};

struct SlotReaderState {
  LastRead banks[2];
  Deferral deferrals[2];
  BusyAccount busy;
  std::uint64_t completed_busy_ns = 0;  ///< Of the requests read so far.

  /// True if an earlier cut has already waited for the record of this sequence.
  [[nodiscard]] bool waited_for(std::uint64_t sequence) const noexcept {
    return std::any_of(std::begin(deferrals), std::end(deferrals), [sequence](const Deferral& deferral) {
      return deferral.pending && deferral.stuck_sequence == sequence;
    });
  }
};

}  // namespace sluice::detail
