// SPDX-License-Identifier: Apache-2.0
// Reads the slots of another process while it records. Each slot is read between two loads of its sequence, so that its
// counters are those of whole requests. The reader writes nothing, and no writer waits for it.
//
//   Order map (the writer's half is in slot.hpp, the argument in docs/memory-model.md, "Slots of another process")
//     [X1] read  load  sequence  acquire  synchronizes with [W7]: all records up to this number are seen
//     [X2] read  fence                    pairs with [W2]: a reader that saw a counter of a later record sees its [W1]
//     [X3] read  load  sequence  relaxed  ordered by [X2]
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "sluice/detail/slot_array.hpp"

namespace sluice::inline v0_1::detail {

/// Number of times that a slot is read before it is accepted as it is. The sequence of a writer that is stopped inside
/// a record, or was killed there, stays odd.
inline constexpr int kWholeTries = 16;

/// How far a reading of a slot reaches.
enum class Reach : std::uint8_t {
  kUsedBuckets,  ///< To buckets that the extremes of the bank tell, because whole records change both together.
  kAllBuckets,   ///< To all buckets, because the reading may have records in part.
};

/// The last reading of one slot.
template <class Atomics, class Counts>
struct SlotReading {
  const SlotHeader<Atomics>* header = nullptr;
  std::size_t slot = 0;
  std::uint64_t sequence = 0;
  bool whole = false;
  Counts counts{};

  /// Reads the counters.
  template <class Read>
  void read_again(Read& read, Reach reach) {
    sequence = header->sequence.load(std::memory_order_acquire);  // [X1]
    read(slot, counts, reach);
  }

  /// Sets `whole`. Called after a fence that follows the reading of the counters.
  void check() noexcept {
    whole = sequence % 2 == 0 && header->sequence.load(std::memory_order_relaxed) == sequence;  // [X3]
  }
};

/// Reads the slots that are not whole yet, with one fence. Returns the number of whole readings.
template <class Fence, class Reading, class Read>
std::size_t read_at_once(std::span<Reading> readings, Read& read) {
  for (Reading& reading : readings) {
    if (!reading.whole) reading.read_again(read, Reach::kUsedBuckets);
  }
  Fence::heavy();  // [X2]
  std::size_t whole = 0;
  for (Reading& reading : readings) {
    if (!reading.whole) reading.check();
    whole += reading.whole ? 1 : 0;
  }
  return whole;
}

/// Reads all slots that have recorded anything. `readings` are Fence::kSlotsAtOnce readings whose memory is used.
/// Calls `read(slot, counts, reach)`, which replaces the counts by the counters of a slot, read by relaxed loads; then
/// calls `take(reading)` for each slot. The counts are those of whole requests, unless `tries` readings were not
/// enough: then the slot is read once more, with all its buckets, so that none is lower than in an earlier reading.
/// Costs at most `tries` fences for each Fence::kSlotsAtOnce slots. Any thread of any process; wait-free if `read` and
/// `take` are. Throws what they throw.
template <class Fence, class Atomics, class Counts, class Read, class Take>
void read_whole_slots(const SlotArray<Atomics>& array, std::size_t size,
                      std::array<SlotReading<Atomics, Counts>, Fence::kSlotsAtOnce>& readings, Read&& read, Take&& take,
                      int tries = kWholeTries) {
  for (std::size_t next = 0; next < size;) {
    std::size_t used = 0;
    for (; next < size && used < readings.size(); ++next) {
      const SlotHeader<Atomics>& header = array.slot(next).header();
      if (header.sequence.load(std::memory_order_relaxed) == 0) continue;  // no record has begun
      readings[used].header = &header;
      readings[used].slot = next;
      readings[used++].whole = false;
    }
    std::size_t whole = 0;
    for (int i = 0; whole < used && i < tries; ++i) whole = read_at_once<Fence>(std::span(readings).first(used), read);
    for (std::size_t i = 0; i < used; ++i) {
      if (!readings[i].whole) readings[i].read_again(read, Reach::kAllBuckets);
      take(std::as_const(readings[i]));
    }
  }
}

}  // namespace sluice::detail
