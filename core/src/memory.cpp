// SPDX-License-Identifier: Apache-2.0
#include "memory.hpp"

namespace sluice::detail {
namespace {

using Atomics = detail::ProductionAtomics;

constexpr std::size_t aligned(std::size_t bytes) noexcept {
  constexpr std::size_t kUnit = alignof(detail::Slot<Atomics>);
  return (bytes + kUnit - 1) / kUnit * kUnit;
}

constexpr std::size_t kUncollectedOffset = aligned(sizeof(RecorderHeader));

constexpr std::size_t tree_offset(std::size_t threads) noexcept {
  return kUncollectedOffset + aligned(threads * sizeof(detail::UncollectedExtremes<Atomics>));
}

constexpr std::size_t slots_offset(std::size_t threads) noexcept {
  using Tree = detail::SlotTree<Atomics>;
  return tree_offset(threads) + aligned(Tree::words_for(threads) * sizeof(Tree::Word));
}

/// A thread waits about a second for another one that recovers. A recovery takes a few microseconds.
constexpr int kRecoveryYields = 200;
constexpr int kRecoveryTurns = kRecoveryYields + 1000;
constexpr long kRecoveryNapNs = 1'000'000;

}  // namespace

detail::SlotArray<Atomics> slots_in(void* memory, std::size_t threads) noexcept {
  auto* const base = static_cast<std::byte*>(memory);
  auto& header = *static_cast<RecorderHeader*>(memory);
  return {.epoch = &header.epoch,
          .high_water = &header.high_water,
          .uncollected = reinterpret_cast<detail::UncollectedExtremes<Atomics>*>(base + kUncollectedOffset),
          .slots = reinterpret_cast<detail::Slot<Atomics>*>(base + slots_offset(threads)),
          .size = threads,
          .taken = {reinterpret_cast<detail::SlotTree<Atomics>::Word*>(base + tree_offset(threads)), threads}};
}

std::size_t memory_bytes(std::size_t threads) noexcept {
  return os::whole_pages(slots_offset(threads) + threads * sizeof(detail::Slot<Atomics>));
}

RecorderMemory::RecorderMemory(const RecorderOptions& options)
    : threads(options.threads), mapping(memory_bytes(options.threads), options.memory) {
  header().alive.store(kAlive, std::memory_order_relaxed);  // no other thread knows the memory yet
}

bool RecorderMemory::begin_recovery() const noexcept {
  std::atomic<std::uint32_t>& alive = header().alive;
  std::uint32_t state = alive.load(std::memory_order_acquire);  // [F4]
  for (int turn = 0; turn < kRecoveryTurns; ++turn) {
    if (state == kAlive) return false;
    if (state != kRecovering) {
      if (alive.compare_exchange_weak(state, kRecovering, std::memory_order_acquire)) return true;  // [F4]
      continue;
    }
    if (turn < kRecoveryYields) {
      os::yield();
    } else {
      os::nap(kRecoveryNapNs);
    }
    state = alive.load(std::memory_order_acquire);  // [F4]
  }
  return true;
}

}  // namespace sluice::detail
