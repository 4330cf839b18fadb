// SPDX-License-Identifier: Apache-2.0
// How threads claim slots and release them, once a thread. slot_tree.hpp records which slots are taken; the state word
// of a slot tells readers and the owner. The recording path is in slot.hpp.
//
//   Order map
//     [S3] claim    CAS   high_water  release   synchronizes with [S4] (drain_coordinator.cpp): a reader sees the claim
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "sluice/detail/slot_array.hpp"

namespace sluice::inline v0_1::detail {

/// Number of failed exchanges after which a claim gives up. An exchange fails when another thread changes the word, and
/// spuriously on some processors; so many failures mean that code outside the protocol overwrites the memory.
inline constexpr int kClaimTries = 1000;

/// Claims the slot for `owned`, which owned_by() made. Returns false if the slot has an owner. Wait-free: a bounded
/// number of tries.
template <class Atomics>
bool claim(const SlotArray<Atomics>& array, std::size_t slot, std::uint32_t owned) noexcept {
  SlotTree tree = array.taken;
  if (!tree.take(slot)) return false;
  array.slot(slot).header().state.store(owned,
                                        std::memory_order_relaxed);  // before the record [W1], and published by [S3]
  std::uint32_t high = array.high_water->load(std::memory_order_relaxed);  // checked by the exchange
  const auto needed = static_cast<std::uint32_t>(slot + 1);
  int tries = kClaimTries;
  while (high < needed && !array.high_water->compare_exchange_weak(high, needed, std::memory_order_release,  // [S3]
                                                                   std::memory_order_relaxed)) {
    if (tries-- <= 0) break;  // then no reader sees the slot
  }
  return true;
}

/// Claims the lowest free slot. Returns none if all have owners. Lock-free, with a bounded number of tries.
template <class Atomics>
std::optional<std::size_t> claim_lowest(const SlotArray<Atomics>& array, std::uint32_t owned) noexcept {
  SlotTree tree = array.taken;
  for (int tries = kClaimTries; tries > 0; --tries) {
    const std::optional<std::size_t> slot = tree.lowest_free();
    if (!slot || claim(array, *slot, owned)) return slot;
  }
  return std::nullopt;
}

/// Releases the slot. Does nothing if the slot has another owner, as it may after a fork. Wait-free.
template <class Atomics>
void release(const SlotArray<Atomics>& array, std::size_t slot, std::uint32_t owned) noexcept {
  SlotTree tree = array.taken;
  const auto free = static_cast<std::uint32_t>(SlotState::kFree);
  if (array.slot(slot).header().state.compare_exchange_strong(owned, free,
                                                              std::memory_order_relaxed,  // published by [S2]
                                                              std::memory_order_relaxed)) {
    tree.give_back(slot);
  }
}

}  // namespace sluice::detail
