// SPDX-License-Identifier: Apache-2.0
// Where the parts of a recorder's memory lie: a header, the overflow counters, the messages to writers, and the slots.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/overflow_counters.hpp"
#include "sluice/detail/slot_array.hpp"
#include "sluice/schema_info.hpp"

namespace sluice::detail {

/// The beginning of a recorder's memory.
struct RecorderHeader {
  std::atomic<std::uint32_t> alive;
  ProductionAtomics::Atomic<std::uint32_t> high_water;
  Epoch<ProductionAtomics> epoch;
};

/// The layout of the memory of a schema, without the types of the schema.
struct MemoryLayout {
  const SchemaInfo* schema = nullptr;
  SlotShape slot{};
  OverflowShape overflow{};
};

template <class T>
inline constexpr MemoryLayout kMemoryLayout{
    .schema = &schema_info<T>,
    .slot = SlotShape::of<ProductionAtomics, T>(),
    .overflow = OverflowShape::of<StdAtomics, SharedCounter, T>(),
};

/// Returns the size of the memory for so many worker slots, in whole pages.
[[nodiscard]] std::size_t memory_bytes(const MemoryLayout& layout, std::size_t threads) noexcept;

}  // namespace sluice::detail
