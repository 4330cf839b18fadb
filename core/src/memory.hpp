// SPDX-License-Identifier: Apache-2.0
// The memory that workers write: the epoch, the overflow counters and the slots, in one mapping. After a fork the child
// finds it zeroed, which is the empty state, except that the word `alive` then has to be set again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "os/mapping.hpp"
#include "sluice/detail/epoch_reader.hpp"
#include "sluice/detail/overflow_counters.hpp"
#include "sluice/recorder_options.hpp"

namespace sluice::detail {

/// The beginning of a recorder's memory.
struct RecorderHeader {
  using Atomics = detail::ProductionAtomics;

  std::atomic<std::uint32_t> alive;
  Atomics::Atomic<std::uint32_t> high_water;
  detail::Epoch<Atomics> epoch;
  alignas(2 * detail::kLine) detail::OverflowCounters overflow;
};

/// Returns the arrays in a recorder's memory for so many worker slots. For any process that maps it.
[[nodiscard]] detail::SlotArray<detail::ProductionAtomics> slots_in(void* memory, std::size_t threads) noexcept;

/// Returns the size of the memory for so many worker slots, in whole pages.
[[nodiscard]] std::size_t memory_bytes(std::size_t threads) noexcept;

/// The memory of one recorder.
struct RecorderMemory {
  /// Values of RecorderHeader::alive.
  enum : std::uint32_t { kWiped = 0, kAlive = 1, kRecovering = 2 };

  /// Maps the memory, or uses the memory that the options give.
  explicit RecorderMemory(const RecorderOptions& options);

  /// Returns true in a forked child that has not recovered yet.
  [[nodiscard]] bool needs_recovery() const noexcept {
    return header().alive.load(std::memory_order_acquire) != kAlive || mapping.inherited();  // [F4]
  }
  /// Makes the calling thread the one that recovers from a fork. Returns false if another thread has recovered, after
  /// waiting for it. Takes a bounded time: if the word stays kRecovering, or has another value than those above, the
  /// process has overwritten it, and the caller recovers.
  [[nodiscard]] bool begin_recovery() const noexcept;
  [[nodiscard]] RecorderHeader& header() const noexcept { return *static_cast<RecorderHeader*>(mapping.data()); }
  [[nodiscard]] detail::SlotArray<detail::ProductionAtomics> array() const noexcept {
    return slots_in(mapping.data(), threads);
  }

  std::size_t threads;
  os::Mapping mapping;
};

}  // namespace sluice::detail
