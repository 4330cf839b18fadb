// SPDX-License-Identifier: Apache-2.0
// The memory that workers write: the epoch, the overflow counters and the slots, in one mapping. After a fork the child
// finds it zeroed, which is the empty state, except that the word `alive` then has to be set again.
#pragma once

#include <cstddef>
#include <cstdint>

#include "exemplar_memory.hpp"
#include "os/mapping.hpp"
#include "sluice/detail/memory_layout.hpp"
#include "sluice/recorder_options.hpp"

namespace sluice::inline v0_1::detail {

using OverflowMemory = OverflowRef<StdAtomics, SharedCounter>;
using OverflowSeries = OverflowSeriesRef<StdAtomics, SharedCounter>;

/// Returns the arrays in a recorder's memory for `threads` worker slots and `series` series. Any process that maps the
/// memory may call it.
[[nodiscard]] SlotArray<ProductionAtomics> slots_in(void* memory, const MemoryLayout& layout, std::size_t threads,
                                                    std::size_t series = 0) noexcept;

/// Returns the block of series of a stripe of the overflow counters in a recorder's memory. `slots` is what slots_in()
/// returns, and has series. Any process that maps the memory may call it.
[[nodiscard]] std::byte* overflow_series_block_in(const SlotArray<ProductionAtomics>& slots, const MemoryLayout& layout,
                                                  std::size_t stripe) noexcept;

/// Returns the overflow counters in a recorder's memory. Any process that maps the memory may call it.
[[nodiscard]] OverflowMemory overflow_in(void* memory, const MemoryLayout& layout) noexcept;

/// The memory of one recorder.
struct RecorderMemory {
  /// Values of RecorderHeader::alive.
  enum : std::uint32_t { kWiped = 0, kAlive = 1, kRecovering = 2 };

  /// Maps the memory, or uses the memory that the options give. `layout` must outlive it.
  RecorderMemory(const RecorderOptions& options, const MemoryLayout& layout);

  /// Returns true in a forked child that has not recovered yet.
  [[nodiscard]] bool needs_recovery() const noexcept {
    return header().alive.load(std::memory_order_acquire) != kAlive || mapping.inherited();  // [F4]
  }
  /// Makes the calling thread the one that recovers from a fork. Returns false if another thread has recovered, after
  /// waiting for it. Takes a bounded time: if the word stays kRecovering, or has another value than those above, the
  /// process has overwritten it, and the caller recovers.
  [[nodiscard]] bool begin_recovery() const noexcept;
  [[nodiscard]] RecorderHeader& header() const noexcept { return *static_cast<RecorderHeader*>(mapping.data()); }
  [[nodiscard]] const SlotArray<ProductionAtomics>& array() const noexcept { return slots_; }
  [[nodiscard]] OverflowMemory overflow() const noexcept { return overflow_in(mapping.data(), layout); }
  /// Returns the block of series of a stripe of the overflow counters. There must be series.
  [[nodiscard]] std::byte* overflow_series_block(std::size_t stripe) const noexcept {
    return overflow_series_block_in(slots_, layout, stripe);
  }
  [[nodiscard]] OverflowSeries overflow_series(std::size_t stripe) const noexcept {
    return {overflow_series_block(stripe), layout.overflow_series, slots_.series_size};
  }

  const MemoryLayout& layout;
  os::Mapping mapping;
  ExemplarMemory exemplars;  ///< In a mapping of its own.

 private:
  SlotArray<ProductionAtomics> slots_;  ///< In the mapping, which stays where it is.
};

}  // namespace sluice::detail
