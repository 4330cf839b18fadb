// SPDX-License-Identifier: Apache-2.0
// The series of a slot: for each set of labels, counters like those of the slot itself. Plain memory of standard
// layout, without pointers; all-zero bytes are the empty state, so a series takes no memory before its first record.
// Only the thread of the slot writes it, inside a record, and a reader looks at it once the record is whole. So every
// access is relaxed and ordered by those of the slot (slot.hpp, epoch_reader.hpp).
//
// A record opens the bank of its series for the epoch as it opens the bank of the slot, and thereby lists the series: a
// reader follows the list and does not look at others. The list is begun anew with the first record of an epoch in any
// series, unless a deferred cut has not collected it yet; then later series are added to it. Whether that is so, the
// message about uncollected extremes says: what was opened at or after the oldest uncollected epoch is on the list.
//
// A reader in another process needs every series that was ever used, and may read no other, because that would commit
// its memory. For such readers the first record in a bank of a series sets a mark that stays
// (docs/memory-model.md, "Slots of another process").
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/bank.hpp"
#include "sluice/detail/slot.hpp"

namespace sluice::inline v0_1::detail {

/// The series that were recorded in the epochs of one parity and wait for a reader.
template <class Atomics>
struct TouchedSeries {
  using Atomic64 = typename Atomics::template Atomic<std::uint64_t>;

  Atomic64 tag;    ///< 1 + the epoch of the last record in a series; 0: there was none.
  Atomic64 first;  ///< The series at the head of the list; 0: the list is empty.
};

/// The words that the banks of the series of all schemas have.
template <class Atomics>
struct SeriesHeader {
  using Atomic64 = typename Atomics::template Atomic<std::uint64_t>;

  Atomic64 tag;                     ///< 1 + the epoch of the last record; 0: never used.
  Atomic64 next;                    ///< The next series of the list; 0: this is the last.
  typename Atomics::Counter count;  ///< Number of requests; only grows.
};

/// The counters of a series for the epochs of one parity, in the words of the schema of T.
template <class Atomics, class T>
struct alignas(kLine) SeriesBank {
  SeriesHeader<Atomics> header;
  Bank<typename Atomics::Counter, T> counts;
};

/// The counters of a series of a slot.
template <class Atomics, class T>
struct alignas(kLine) SeriesCell {
  SeriesBank<Atomics, T> banks[2];
};

/// The number of series that one word of marks has, for each parity.
inline constexpr std::size_t kSeriesPerMark = 64;

/// Returns the word with the mark of a bank of a series, numbered from 1: it says whether the bank was ever used. Marks
/// lie in front of the lists, those of higher numbers further away, so that a writer finds them without the number of
/// series.
template <class Atomics>
[[nodiscard]] auto& used_mark(std::byte* block, std::size_t number, std::size_t which) noexcept {
  using Word = typename Atomics::template Atomic<std::uint64_t>;
  return *(reinterpret_cast<Word*>(block) - 1 - ((number - 1) / kSeriesPerMark * 2 + which));
}

/// Where the parts of a block of series lie, in bytes. A block has marks, then the lists of both parities, where its
/// address is, and a cell for each series.
struct SeriesShape {
  std::size_t cells_at = 0;     ///< Offset of the first cell in a block.
  std::size_t cell_bytes = 0;   ///< Size of a cell.
  std::size_t bank_bytes = 0;   ///< Size of a bank.
  std::size_t sums_at = 0;      ///< Offset of the sums in a bank.
  std::size_t extremes_at = 0;  ///< Offset of the extremes in a bank.
  std::size_t mark_bytes = 0;   ///< Size of a word of marks.

  /// Returns the shape of the series of a schema.
  template <class Atomics, class T>
  static constexpr SeriesShape of() noexcept {
    using Cell = SeriesCell<Atomics, T>;
    using BankType = SeriesBank<Atomics, T>;
    using Counts = Bank<typename Atomics::Counter, T>;
    return {.cells_at = whole_line_pairs(2 * sizeof(TouchedSeries<Atomics>)),
            .cell_bytes = sizeof(Cell),
            .bank_bytes = sizeof(BankType),
            .sums_at = offsetof(BankType, counts) + offsetof(Counts, sums),
            .extremes_at = offsetof(BankType, counts) + offsetof(Counts, extremes),
            .mark_bytes = sizeof(typename Atomics::template Atomic<std::uint64_t>)};
  }

  /// Returns the size in bytes of the marks of `series` series.
  [[nodiscard]] constexpr std::size_t marks_bytes(std::size_t series) const noexcept {
    return whole_line_pairs((series + kSeriesPerMark - 1) / kSeriesPerMark * 2 * mark_bytes);
  }
  /// Returns the size in bytes of a block for `series` series.
  [[nodiscard]] constexpr std::size_t block_bytes(std::size_t series) const noexcept {
    return series == 0 ? 0 : marks_bytes(series) + whole_line_pairs(cells_at + series * cell_bytes);
  }
};

/// The series of a slot as its writer sees them. Owns nothing. Series are numbered from 1.
template <class Atomics, class T>
class SeriesWriter {
 public:
  SeriesWriter(std::byte* block, std::uint32_t number) noexcept : block_(block), number_(number) {}

  /// Returns the counters of the series for a record in this epoch, and counts the record. Only inside a record.
  [[gnu::always_inline]] Bank<typename Atomics::Counter, T>& operator()(
      EpochBank<Atomics, T>& /*bank*/, std::uint64_t epoch,
      const UncollectedExtremes<Atomics>& uncollected) const noexcept {
    constexpr SeriesShape kShape = SeriesShape::of<Atomics, T>();
    auto* const cell = reinterpret_cast<SeriesCell<Atomics, T>*>(block_ + kShape.cells_at) + (number_ - 1);
    SeriesBank<Atomics, T>& bank = cell->banks[epoch & 1];
    if (bank.header.tag.load(std::memory_order_relaxed) != epoch + 1) open(bank, epoch, uncollected);  // own store
    bank.header.count.add(1);
    return bank.counts;
  }

 private:
  /// Opens a bank for the first record of the series in an epoch: lists the series and resets its extremes, unless both
  /// wait for a reader. Marks a bank that was never used.
  [[gnu::noinline]] void open(SeriesBank<Atomics, T>& bank, std::uint64_t epoch,
                              const UncollectedExtremes<Atomics>& uncollected) const noexcept {
    constexpr auto kRelaxed = std::memory_order_relaxed;  // all are own stores, which [W7] publishes
    const std::uint64_t oldest_tag = uncollected.banks[epoch & 1].load(std::memory_order_relaxed);  // [W4]
    const auto is_collected = [oldest_tag](std::uint64_t tag) { return oldest_tag == 0 || tag < oldest_tag; };
    TouchedSeries<Atomics>& touched = reinterpret_cast<TouchedSeries<Atomics>*>(block_)[epoch & 1];
    const std::uint64_t last_tag = touched.tag.load(kRelaxed);
    if (last_tag != epoch + 1 && is_collected(last_tag)) touched.first.store(0, kRelaxed);
    touched.tag.store(epoch + 1, kRelaxed);
    const std::uint64_t own_tag = bank.header.tag.load(kRelaxed);
    if (own_tag == 0) {
      auto& marks = used_mark<Atomics>(block_, number_, epoch & 1);
      const std::uint64_t mark = std::uint64_t{1} << (number_ - 1) % kSeriesPerMark;
      marks.store(marks.load(kRelaxed) | mark, kRelaxed);
    }
    if (is_collected(own_tag)) {
      bank.counts.clear_extremes();
      bank.header.next.store(touched.first.load(kRelaxed), kRelaxed);
      touched.first.store(number_, kRelaxed);
    }
    bank.header.tag.store(epoch + 1, kRelaxed);
  }

  std::byte* block_;
  std::uint32_t number_;
};

/// One bank of a series. A reference.
template <class Atomics>
struct SeriesBankRef {
  SeriesHeader<Atomics>& header;
  const typename Atomics::Counter* sums;
  const typename Atomics::Counter* extremes;
};

/// The series of a slot as readers see them. A reference.
template <class Atomics>
class SeriesRef {
 public:
  SeriesRef(std::byte* block, const SeriesShape& shape, std::size_t size) noexcept
      : block_(block), shape_(shape), size_(size) {}

  /// Returns the list of a parity.
  [[nodiscard]] TouchedSeries<Atomics>& touched(std::size_t which) const noexcept {
    return reinterpret_cast<TouchedSeries<Atomics>*>(block_)[which];
  }
  /// Returns the bank of a parity of the series with this number.
  [[nodiscard]] SeriesBankRef<Atomics> bank(std::size_t number, std::size_t which) const noexcept {
    std::byte* const bank = block_ + shape_.cells_at + (number - 1) * shape_.cell_bytes + which * shape_.bank_bytes;
    return {*reinterpret_cast<SeriesHeader<Atomics>*>(bank),
            reinterpret_cast<const typename Atomics::Counter*>(bank + shape_.sums_at),
            reinterpret_cast<const typename Atomics::Counter*>(bank + shape_.extremes_at)};
  }
  /// Calls `visit(number, bank)` for each series of the list of a parity, in a quiescent slot. Bounded, whatever other
  /// code has written into the memory.
  template <class Visit>
  void for_each_touched(std::size_t which, Visit&& visit) const {
    std::uint64_t number = touched(which).first.load(std::memory_order_relaxed);  // after [R3]
    for (std::size_t seen = 0; number != 0 && number <= size_ && seen < size_; ++seen) {
      const SeriesBankRef<Atomics> at = bank(number, which);
      visit(static_cast<std::uint32_t>(number), at);
      number = at.header.next.load(std::memory_order_relaxed);  // after [R3]
    }
  }

  /// Returns true if the slot may have recorded in any series. Any process.
  [[nodiscard]] bool is_used() const noexcept {
    const auto tag = [this](std::size_t which) {
      return touched(which).tag.load(std::memory_order_relaxed);
    };  // after [X1]
    return (tag(0) | tag(1)) != 0;
  }
  /// Calls `visit(number, bank)` for each series whose bank of a parity was ever used. Any process, while the slot is
  /// recording: the caller checks by [X3] that it has read whole records. Bounded, whatever others have written there.
  template <class Visit>
  void for_each_used(std::size_t which, Visit&& visit) const {
    for (std::size_t first = 1; first <= size_; first += kSeriesPerMark) {
      const auto& marks = used_mark<Atomics>(block_, first, which);
      for (std::uint64_t left = marks.load(std::memory_order_relaxed); left != 0; left &= left - 1) {  // after [X1]
        const std::size_t number = first + static_cast<std::size_t>(std::countr_zero(left));
        if (number <= size_) visit(static_cast<std::uint32_t>(number), bank(number, which));
      }
    }
  }

 private:
  std::byte* block_;
  const SeriesShape& shape_;
  std::size_t size_;
};

}  // namespace sluice::detail
