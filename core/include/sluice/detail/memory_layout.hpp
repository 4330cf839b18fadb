// SPDX-License-Identifier: Apache-2.0
// Where the parts of a recorder's memory lie: a header, the overflow counters, the messages to writers, the slots, and
// the series of each slot and of each stripe of the overflow counters.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/overflow_counters.hpp"
#include "sluice/detail/overflow_series.hpp"
#include "sluice/detail/slot_array.hpp"
#include "sluice/schema_info.hpp"

namespace sluice::inline v0_1::detail {

/// The recorder that a registry has reserved memory for. Its readers find the parts of the memory by these numbers.
/// Zeros: the memory is of no registry.
struct ReservedFor {
  std::uint32_t threads = 0;
  std::uint32_t series = 0;
  std::uint32_t mode = 0;
};

/// The beginning of a recorder's memory.
struct RecorderHeader {
  std::atomic<std::uint32_t> alive;
  ProductionAtomics::Atomic<std::uint32_t> high_water;
  ReservedFor reserved;  ///< Written before the recorder is made; only its constructor reads it.
  Epoch<ProductionAtomics> epoch;
};

/// The layout of the memory of a schema, without the types of the schema.
struct MemoryLayout {
  const SchemaInfo* schema = nullptr;
  SlotShape slot{};
  SeriesShape series{};
  OverflowShape overflow{};
  OverflowSeriesShape overflow_series{};
};

template <class T>
inline constexpr MemoryLayout kMemoryLayout{
    .schema = &schema_info<T>,
    .slot = SlotShape::of<ProductionAtomics, T>(),
    .series = SeriesShape::of<ProductionAtomics, T>(),
    .overflow = OverflowShape::of<StdAtomics, SharedCounter, T>(),
    .overflow_series = OverflowSeriesShape::of<StdAtomics, SharedCounter, T>(),
};

/// Returns the number of series that a recorder has memory for: those of the options, and the overflow series.
constexpr std::size_t series_with_overflow(std::size_t series) noexcept { return series == 0 ? 0 : series + 1; }

/// Returns the size of the memory for `threads` worker slots and `series` series, in whole pages. Where that would be
/// more than an address space has room for, the size does not wrap around: it is one that no system call grants.
[[nodiscard]] std::size_t memory_bytes(const MemoryLayout& layout, std::size_t threads,
                                       std::size_t series = 0) noexcept;

}  // namespace sluice::detail
