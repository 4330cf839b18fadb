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

namespace sluice::detail {

/// Number of times that a slot is read before it is accepted as it is. The sequence of a writer that is stopped inside
/// a record, or was killed there, stays odd.
inline constexpr int kWholeTries = 16;

/// The last reading of one slot.
template <class Slot, class Counts>
struct SlotReading {
  const Slot* slot = nullptr;
  std::uint64_t sequence = 0;
  bool whole = false;
  Counts counts{};

  /// Reads the counters.
  template <class Read>
  void read_again(Read& read) noexcept {
    if (sequence != 0) counts = {};
    sequence = slot->sequence.load(std::memory_order_acquire);  // [X1]
    read(*slot, counts);
  }

  /// Sets `whole`. Called after a fence that follows the reading of the counters.
  void check() noexcept {
    whole = sequence % 2 == 0 && slot->sequence.load(std::memory_order_relaxed) == sequence;  // [X3]
  }
};

/// Reads the slots that are not whole yet, with one fence. Returns the number of whole readings.
template <class Fence, class Reading, class Read>
std::size_t read_at_once(std::span<Reading> readings, Read& read) noexcept {
  for (Reading& reading : readings) {
    if (!reading.whole) reading.read_again(read);
  }
  Fence::heavy();  // [X2]
  std::size_t whole = 0;
  for (Reading& reading : readings) {
    if (!reading.whole) reading.check();
    whole += reading.whole ? 1 : 0;
  }
  return whole;
}

/// Reads all slots that have recorded anything. Calls `read(slot, counts)`, which adds the counters of a slot, by
/// relaxed loads, to counts that are zero; then calls `take(reading)` for each slot. The counts are those of whole
/// requests, unless `tries` readings were not enough. Costs at most `tries` fences for each Fence::kSlotsAtOnce slots.
/// Any thread of any process; wait-free.
template <class Fence, class Counts, class Slot, class Read, class Take>
void read_whole_slots(const Slot* slots, std::size_t size, Read&& read, Take&& take, int tries = kWholeTries) noexcept {
  for (std::size_t next = 0; next < size;) {
    std::array<SlotReading<Slot, Counts>, Fence::kSlotsAtOnce> readings;
    std::size_t used = 0;
    for (; next < size && used < readings.size(); ++next) {
      if (slots[next].sequence.load(std::memory_order_relaxed) == 0) continue;  // no record has begun
      readings[used++].slot = &slots[next];
    }
    std::size_t whole = 0;
    for (int i = 0; whole < used && i < tries; ++i) whole = read_at_once<Fence>(std::span(readings).first(used), read);
    for (std::size_t i = 0; i < used; ++i) take(std::as_const(readings[i]));
  }
}

}  // namespace sluice::detail
