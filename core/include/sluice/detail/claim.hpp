// How threads take slots and give them back. Happens once a thread; the hot path is in slot.hpp.
//
//   Order map
//     [S1] claim    CAS   state       acquire   pairs with [S2]: the counters go on where the last owner left them
//     [S2] release  CAS   state       release   pairs with [S1]
//     [S3] claim    CAS   high_water  release   pairs with [S4] (drain_coordinator.cpp)
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/epoch_reader.hpp"
#include "sluice/detail/slot.hpp"

namespace sluice::detail {

/// An exchange fails as often as another thread changes the word, or for no reason on some processors. More failures
/// than this mean that the memory is being overwritten by what does not keep to the protocol.
inline constexpr int kClaimTries = 1000;

/// Makes the slot that of the claim `owned`. False if somebody has it. Wait-free, with a bounded number of tries.
template <class Atomics>
bool claim(const SlotArray<Atomics>& array, std::size_t slot, std::uint32_t owned) noexcept {
  auto& state = array.slots[slot].state;
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
      if (tries-- <= 0) break;  // no reader sees the slot then
    }
    return true;
  }
  return false;
}

/// Gives the slot back. Does nothing if it is another's by now, as it may be after a fork. Lock-free.
template <class Atomics>
void release(Slot<Atomics>& slot, std::uint32_t owned) noexcept {
  slot.state.compare_exchange_strong(owned, static_cast<std::uint32_t>(SlotState::kFree),
                                     std::memory_order_release,  // [S2]
                                     std::memory_order_relaxed);
}

}  // namespace sluice::detail
