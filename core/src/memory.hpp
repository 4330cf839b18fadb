// What workers write, in one piece of memory: the epoch, the overflow counters, and the slots. After a fork the child
// finds it zeroed, which is its empty state, but for the word `alive` that then has to be set again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "os/mapping.hpp"
#include "sluice/detail/epoch_reader.hpp"
#include "sluice/detail/overflow_counters.hpp"
#include "sluice/recorder.hpp"

namespace sluice {

/// What stands at the beginning of a recorder's memory.
struct RecorderHeader {
  using Atomics = detail::ProductionAtomics;

  std::atomic<std::uint32_t> alive;
  Atomics::Atomic<std::uint32_t> high_water;
  detail::Epoch<Atomics> epoch;
  alignas(2 * detail::kLine) detail::OverflowCounters overflow;
};

/// Where the parts of a recorder's memory lie, for so many worker slots. Any process that maps it may ask.
[[nodiscard]] detail::SlotArray<detail::ProductionAtomics> slots_in(void* memory, std::size_t threads) noexcept;

struct Recorder::Memory {
  enum : std::uint32_t { kWiped = 0, kAlive = 1, kRecovering = 2 };

  explicit Memory(const Options& options);

  [[nodiscard]] bool needs_recovery() const noexcept {
    return header().alive.load(std::memory_order_acquire) != kAlive || mapping.inherited();  // [F4]
  }
  /// Makes the calling thread the one that recovers from a fork. False if another has done so, which is waited for.
  /// Takes a bounded time: a word that stays as if a thread recovered, or that is none of those above, has been
  /// overwritten by the process itself, and is taken over.
  [[nodiscard]] bool begin_recovery() const noexcept;
  [[nodiscard]] RecorderHeader& header() const noexcept { return *static_cast<RecorderHeader*>(mapping.data()); }
  [[nodiscard]] detail::SlotArray<detail::ProductionAtomics> array() const noexcept {
    return slots_in(mapping.data(), threads);
  }

  std::size_t threads;
  os::Mapping mapping;
};

}  // namespace sluice
