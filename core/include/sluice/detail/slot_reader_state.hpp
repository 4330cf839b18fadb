// SPDX-License-Identifier: Apache-2.0
// The reader's memory of one slot: how far each bank was read, and how much busy time windows have been given. One
// reader at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "sluice/detail/slot.hpp"
#include "sluice/window.hpp"

namespace sluice::detail {

/// The values of a bank when it was last read. Extremes are not kept, because the writer resets them.
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

/// Adds to `sum` the difference between a quiescent counter and `seen`, and sets `seen` to the counter.
template <class Counter>
void take_delta(const Counter& counter, std::uint64_t& seen, std::uint64_t& sum) noexcept {
  const std::uint64_t now = counter.load_quiescent();
  sum += now - seen;
  seen = now;
}

/// Does the same for arrays. They do not overlap, so a compiler may process several elements at once.
template <class Counter, std::size_t kSize>
void take_delta(const Counter (&counters)[kSize], std::uint64_t (&seen)[kSize], std::uint64_t* sums) noexcept {
  const Counter* __restrict const from = counters;
  std::uint64_t* __restrict const last = seen;
  std::uint64_t* __restrict const to = sums;
  for (std::size_t i = 0; i < kSize; ++i) take_delta(from[i], last[i], to[i]);
}

/// Adds the growth of a quiescent bank to a window, extremes included. The caller has checked that the bank has grown.
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

/// A running account of the busy time of a slot: the time that its requests are known to have used up to a cut, against
/// the time that windows have been given. A window gets the difference, at most its own length; a remainder goes to the
/// next window. So parts add up to the whole and none exceeds its window, however the clock readings of writer and
/// reader compare. The request in flight at the cut contributes its part of the window in any case; if the account is
/// then ahead, later windows get less.
struct BusyAccount {
  std::uint64_t credited_ns = 0;  ///< Sum of all parts so far.

  /// Returns the part of a window. All arguments are nanoseconds: the durations of all completed requests, the age of
  /// the request in flight, and the length of the window.

  std::uint64_t settle(std::uint64_t completed_ns, std::uint64_t elapsed_ns, std::uint64_t period_ns) noexcept {
    const std::uint64_t used_ns = completed_ns + elapsed_ns;
    const std::uint64_t owed_ns = used_ns > credited_ns ? used_ns - credited_ns : 0;
    const std::uint64_t part_ns = std::min(std::max(owed_ns, elapsed_ns), period_ns);
    credited_ns += part_ns;
    return part_ns;
  }
};

/// The state of a bank that could not be read when its epoch was closed, because its writer was stopped inside a
/// record. The other members are meaningful while `pending` is true.
struct Deferral {
  bool pending = false;                      ///< True until the bank is collected.
  std::uint64_t stuck_sequence = 0;          ///< Sequence of the slot; once it differs, the record is whole.
  std::uint64_t oldest_uncollected_tag = 0;  ///< Tag of the first epoch of the bank that no window has collected.

  /// Leaves the bank to a later cut.
  void defer(std::uint64_t sequence, std::uint64_t tag) noexcept {
    if (!pending) oldest_uncollected_tag = tag;
    pending = true;
    stuck_sequence = sequence;
  }
};

/// The reader's memory of one slot.
struct SlotReaderState {
  LastRead banks[2];                    ///< Values of each bank at its last reading.
  Deferral deferrals[2];                ///< Banks that wait for their writer.
  BusyAccount busy;                     ///< Busy time given to windows.
  std::uint64_t completed_busy_ns = 0;  ///< Durations of all requests read so far.

  /// Returns true if an earlier cut has already waited for the record with this sequence.
  [[nodiscard]] bool waited_for(std::uint64_t sequence) const noexcept {
    return std::any_of(std::begin(deferrals), std::end(deferrals), [sequence](const Deferral& deferral) {
      return deferral.pending && deferral.stuck_sequence == sequence;
    });
  }
};

}  // namespace sluice::detail
