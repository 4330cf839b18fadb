// SPDX-License-Identifier: Apache-2.0
// The memory that writers and readers share, as readers see it. They use offsets of words instead of the types of a
// schema, so readers are compiled once for all schemas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sluice/detail/series_block.hpp"
#include "sluice/detail/slot.hpp"
#include "sluice/detail/slot_tree.hpp"

namespace sluice::inline v0_1::detail {

/// Where the parts of a slot lie, in bytes.
struct SlotShape {
  std::size_t slot_bytes = 0;   ///< Size of a slot.
  std::size_t banks_at = 0;     ///< Offset of the first bank in the slot.
  std::size_t bank_bytes = 0;   ///< Size of a bank.
  std::size_t sums_at = 0;      ///< Offset of the sums in a bank.
  std::size_t extremes_at = 0;  ///< Offset of the extremes in a bank.
  std::size_t earlier_at = 0;   ///< Offset of the extremes of earlier epochs in a bank.

  /// Returns the shape of a slot type.
  template <class Atomics, class T>
  static constexpr SlotShape of() noexcept {
    using SlotType = Slot<Atomics, T>;
    using BankType = EpochBank<Atomics, T>;
    using Counts = Bank<typename Atomics::Counter, T>;
    return {.slot_bytes = sizeof(SlotType),
            .banks_at = offsetof(SlotType, banks),
            .bank_bytes = sizeof(BankType),
            .sums_at = offsetof(BankType, counts) + offsetof(Counts, sums),
            .extremes_at = offsetof(BankType, counts) + offsetof(Counts, extremes),
            .earlier_at = offsetof(BankType, earlier)};
  }
};

/// One bank of a slot. A reference.
template <class Atomics>
struct BankRef {
  EpochHeader<Atomics>& header;
  const typename Atomics::Counter* sums;
  const typename Atomics::Counter* extremes;
  const typename Atomics::Counter* earlier;  ///< Extremes of epochs before those of `extremes`.
};

/// One slot. A reference.
template <class Atomics>
class SlotRef {
 public:
  SlotRef(std::byte* at, const SlotShape& shape) noexcept : at_(at), shape_(shape) {}

  /// Returns the state of the thread.
  [[nodiscard]] SlotHeader<Atomics>& header() const noexcept { return *reinterpret_cast<SlotHeader<Atomics>*>(at_); }
  /// Returns the bank of a parity.
  [[nodiscard]] BankRef<Atomics> bank(std::size_t which) const noexcept {
    std::byte* const bank = at_ + shape_.banks_at + which * shape_.bank_bytes;
    return {*reinterpret_cast<EpochHeader<Atomics>*>(bank),
            reinterpret_cast<const typename Atomics::Counter*>(bank + shape_.sums_at),
            reinterpret_cast<const typename Atomics::Counter*>(bank + shape_.extremes_at),
            reinterpret_cast<const typename Atomics::Counter*>(bank + shape_.earlier_at)};
  }

 private:
  std::byte* at_;
  const SlotShape& shape_;
};

/// The memory that writers and readers share. Owns nothing.
template <class Atomics>
struct SlotArray {
  Epoch<Atomics>* epoch = nullptr;
  typename Atomics::template Atomic<std::uint32_t>* high_water = nullptr;  ///< 1 + the highest slot ever claimed.
  UncollectedExtremes<Atomics>* uncollected = nullptr;                     ///< Messages to writers, one a slot.
  std::byte* slots = nullptr;                                              ///< The slots, `size` of them.
  SlotShape shape{};
  std::size_t size = 0;
  SlotTree<Atomics> taken{};    ///< Tree of the slots that have owners. Used only by the process that records.
  std::byte* series = nullptr;  ///< The blocks of series, one for each slot.
  SeriesShape series_shape{};
  std::size_t series_size = 0;  ///< Number of series; 0: there are none.

  [[nodiscard]] SlotRef<Atomics> slot(std::size_t i) const noexcept { return {slots + i * shape.slot_bytes, shape}; }
  /// Returns the address of the block of series of a slot, behind its marks; null if there are none.
  [[nodiscard]] std::byte* series_block(std::size_t i) const noexcept {
    return series_size == 0
               ? nullptr
               : series + i * series_shape.block_bytes(series_size) + series_shape.marks_bytes(series_size);
  }
  [[nodiscard]] SeriesRef<Atomics> series_of(std::size_t i) const noexcept {
    return {series_block(i), series_shape, series_size};
  }
};

}  // namespace sluice::detail
