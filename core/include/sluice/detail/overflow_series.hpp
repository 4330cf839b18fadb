// SPDX-License-Identifier: Apache-2.0
// The series of a stripe of the overflow counters: for each set of labels, counters like those of the stripe itself.
// Plain memory without pointers; all-zero bytes are the empty state, so a series takes no memory before its first
// record. Any thread writes it, inside a record, and a reader looks at a bank once every writer has left it. So its
// accesses are relaxed and ordered by those of the phaser (overflow_counters.hpp). A record marks its series in the
// bank, so that a reader looks at what was touched. Readers in other processes need every series that was ever used,
// and look while others record: for them a second mark is set first, and stays.
//
//   Order map (the argument is in docs/memory-model.md, "Slots of another process")
//     [P7] record  RMW   mark of the touched  release  synchronizes with [P8]: the other mark is set
//     [P8] record  load  mark of the touched  acquire  synchronizes with [P7]: if the end of a request is visible,
//                                                      the mark that another thread set for it is, too
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/bank.hpp"
#include "sluice/detail/overflow_counters.hpp"
#include "sluice/detail/policy.hpp"
#include "sluice/detail/slot.hpp"

namespace sluice::inline v0_1::detail {

/// One of the two banks of a series.
template <class Counter, class T>
struct OverflowSeriesBank {
  Counter count;  ///< Number of requests; only grows.
  Bank<Counter, T> counts;
};

/// The counters of a series.
template <class Counter, class T>
struct alignas(kLine) OverflowSeriesCell {
  OverflowSeriesBank<Counter, T> banks[2];
};

/// Where the parts of a block lie, in bytes: the marks of both banks for series that were touched since a reader
/// looked, those for series that were ever used, and a cell for each series.
struct OverflowSeriesShape {
  std::size_t cell_bytes = 0;   ///< Size of a cell.
  std::size_t bank_bytes = 0;   ///< Size of a bank.
  std::size_t sums_at = 0;      ///< Offset of the sums in a bank.
  std::size_t extremes_at = 0;  ///< Offset of the extremes in a bank.
  std::size_t word_bytes = 0;   ///< Size of a word of marks.

  /// Returns the shape of the series of a schema.
  template <class Atomics, class Counter, class T>
  static constexpr OverflowSeriesShape of() noexcept {
    using BankType = OverflowSeriesBank<Counter, T>;
    using Counts = Bank<Counter, T>;
    return {.cell_bytes = sizeof(OverflowSeriesCell<Counter, T>),
            .bank_bytes = sizeof(BankType),
            .sums_at = offsetof(BankType, counts) + offsetof(Counts, sums),
            .extremes_at = offsetof(BankType, counts) + offsetof(Counts, extremes),
            .word_bytes = sizeof(typename Atomics::template Atomic<std::uint64_t>)};
  }

  /// Returns the number of words that mark `series` series in one bank.
  [[nodiscard]] static constexpr std::size_t words(std::size_t series) noexcept { return (series + 63) / 64; }
  /// Returns the offset of the first cell.
  [[nodiscard]] constexpr std::size_t cells_at(std::size_t series) const noexcept {
    return whole_line_pairs(4 * words(series) * word_bytes);
  }
  /// Returns the size in bytes of a block for `series` series.
  [[nodiscard]] constexpr std::size_t block_bytes(std::size_t series) const noexcept {
    return series == 0 ? 0 : whole_line_pairs(cells_at(series) + series * cell_bytes);
  }
};

/// The series of a stripe as its writers see them. Owns nothing. Series are numbered from 1.
template <class Atomics, class Counter, class T>
class OverflowSeriesWriter {
 public:
  OverflowSeriesWriter(std::byte* block, std::size_t size, std::uint32_t number) noexcept
      : block_(block), size_(size), index_(number - 1) {}

  /// Returns the counters of the series in a bank that the caller has entered, and counts and marks the record.
  [[nodiscard]] Bank<Counter, T>& operator()(OverflowBank<Atomics, Counter, T>& /*bank*/,
                                             std::size_t which) const noexcept {
    constexpr auto kShape = OverflowSeriesShape::of<Atomics, Counter, T>();
    auto* const cells = reinterpret_cast<OverflowSeriesCell<Counter, T>*>(block_ + kShape.cells_at(size_));
    auto* const words = reinterpret_cast<typename Atomics::template Atomic<std::uint64_t>*>(block_);
    auto& marks = words[which * OverflowSeriesShape::words(size_) + index_ / 64];
    const std::uint64_t mark = std::uint64_t{1} << index_ % 64;
    if ((marks.load(std::memory_order_acquire) & mark) == 0) {  // [P8]; a reader clears it only before [P1]
      auto& used = words[(2 + which) * OverflowSeriesShape::words(size_) + index_ / 64];
      if ((used.load(std::memory_order_relaxed) & mark) == 0) {  // once set it stays set
        used.fetch_or(mark, std::memory_order_relaxed);          // published by [P7]
      }
      marks.fetch_or(mark, std::memory_order_release);  // [P7], and published by [P3]
    }
    OverflowSeriesBank<Counter, T>& bank = cells[index_].banks[which];
    bank.count.add(1);
    return bank.counts;
  }

 private:
  std::byte* block_;
  std::size_t size_;
  std::uint32_t index_;
};

/// One bank of a series. A reference.
template <class Counter>
struct OverflowSeriesBankRef {
  const Counter& count;
  const Counter* sums;
  Counter* extremes;
};

/// The series of a stripe as readers see them. A reference.
template <class Atomics, class Counter>
class OverflowSeriesRef {
 public:
  OverflowSeriesRef(std::byte* block, const OverflowSeriesShape& shape, std::size_t size) noexcept
      : block_(block), shape_(shape), size_(size) {}

  /// Calls `visit(number, bank)` for each series that is marked in a quiescent bank.
  template <class Visit>
  void for_each_touched(std::size_t which, Visit&& visit) const {
    for (std::size_t word = 0; word < OverflowSeriesShape::words(size_); ++word) {
      for (std::uint64_t left = marks(which, word).load(std::memory_order_relaxed); left != 0;) {  // after [P4]
        const std::size_t index = word * 64 + static_cast<std::size_t>(std::countr_zero(left));
        left &= left - 1;
        if (index < size_) visit(static_cast<std::uint32_t>(index + 1), bank(index, which));
      }
    }
  }
  /// Calls `visit(number, bank)` for each series of a bank that was ever used. Any process, while others record.
  template <class Visit>
  void for_each_used(std::size_t which, Visit&& visit) const {
    for (std::size_t word = 0; word < OverflowSeriesShape::words(size_); ++word) {
      for (std::uint64_t left = marks(2 + which, word).load(std::memory_order_relaxed); left != 0; left &= left - 1) {
        // Once set, a mark stays set, so what was read of a series is read again.
        const std::size_t index = word * 64 + static_cast<std::size_t>(std::countr_zero(left));
        if (index < size_) visit(static_cast<std::uint32_t>(index + 1), bank(index, which));
      }
    }
  }
  /// Removes the marks of what was touched in a quiescent bank.
  void clear_marks(std::size_t which) const noexcept {
    for (std::size_t word = 0; word < OverflowSeriesShape::words(size_); ++word) {
      auto& here = marks(which, word);
      if (here.load(std::memory_order_relaxed) != 0) here.store(0, std::memory_order_relaxed);  // published by [P2]
    }
  }

 private:
  using Word = typename Atomics::template Atomic<std::uint64_t>;

  [[nodiscard]] Word& marks(std::size_t which, std::size_t word) const noexcept {
    return reinterpret_cast<Word*>(block_)[which * OverflowSeriesShape::words(size_) + word];
  }
  [[nodiscard]] OverflowSeriesBankRef<Counter> bank(std::size_t index, std::size_t which) const noexcept {
    std::byte* const bank = block_ + shape_.cells_at(size_) + index * shape_.cell_bytes + which * shape_.bank_bytes;
    return {*reinterpret_cast<const Counter*>(bank), reinterpret_cast<const Counter*>(bank + shape_.sums_at),
            reinterpret_cast<Counter*>(bank + shape_.extremes_at)};
  }

  std::byte* block_;
  const OverflowSeriesShape& shape_;
  std::size_t size_;
};

}  // namespace sluice::detail
