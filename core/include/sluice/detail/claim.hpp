// SPDX-License-Identifier: Apache-2.0
// How threads claim slots and release them, once a thread. The recording path is in slot.hpp.
//
//   Order map
//     [S1] claim    CAS   state       acquire   synchronizes with [S2]: the new owner sees the counters of the last one
//     [S2] release  CAS   state       release   synchronizes with [S1]
//     [S3] claim    CAS   high_water  release   synchronizes with [S4] (drain_coordinator.cpp): a reader sees the claim
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/slot_array.hpp"

namespace sluice::detail {

/// Number of failed exchanges after which a claim gives up. An exchange fails when another thread changes the word, and
/// spuriously on some processors; so many failures mean that code outside the protocol overwrites the memory.
inline constexpr int kClaimTries = 1000;

/// Claims the slot for `owned`, which owned_by() made. Returns false if the slot has an owner. Wait-free: a bounded
/// number of tries.
template <class Atomics>
bool claim(const SlotArray<Atomics>& array, std::size_t slot, std::uint32_t owned) noexcept {
  auto& state = array.slot(slot).header().state;
  std::uint32_t seen = state.load(std::memory_order_relaxed);  // checked by the exchange
  int tries = kClaimTries;
  while (slot_state(seen) != SlotState::kOwned) {
    if (tries-- == 0) return false;
    if (!state.compare_exchange_weak(seen, owned, std::memory_order_acquire, std::memory_order_relaxed))
      continue;                                                              // [S1]
    std::uint32_t high = array.high_water->load(std::memory_order_relaxed);  // checked by the exchange
    const auto needed = static_cast<std::uint32_t>(slot + 1);
    while (high < needed && !array.high_water->compare_exchange_weak(high, needed, std::memory_order_release,  // [S3]
                                                                     std::memory_order_relaxed)) {
      if (tries-- <= 0) break;  // then no reader sees the slot
    }
    return true;
  }
  return false;
}

/// Releases the slot. Does nothing if the slot has another owner, as it may after a fork. Lock-free.
template <class Atomics>
void release(SlotHeader<Atomics>& slot, std::uint32_t owned) noexcept {
  slot.state.compare_exchange_strong(owned, static_cast<std::uint32_t>(SlotState::kFree),
                                     std::memory_order_release,  // [S2]
                                     std::memory_order_relaxed);
}

}  // namespace sluice::detail
