// SPDX-License-Identifier: Apache-2.0
// The counts of a group's ended processes by series, beside its totals: in two copies, of which the version of
// RetiredTotals selects the current one (retired_totals.hpp). Only the parent writes them: the copy that is not
// current, before it makes this the current one by [G1]. So every access is relaxed. What a reader reads of the current
// copy was published by [G1], and if the parent writes that copy meanwhile, [G6] tells the reader. Plain memory without
// pointers; all-zero bytes are counts of zero, and the memory of a series is not touched before the first process that
// used the series has ended.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::inline v0_1::detail {

/// A view of both copies. Owns nothing. An entry has the words of one series; entries are numbered from 0.
template <class Atomics>
class RetiredSeries {
 public:
  using Word = typename Atomics::template Atomic<std::uint64_t>;

  /// Makes a view of words_for(entries, entry_words) words.
  RetiredSeries(Word* words, std::size_t entries, std::size_t entry_words) noexcept
      : words_(words), entries_(entries), entry_words_(entry_words) {}

  /// Returns the number of words of both copies.
  [[nodiscard]] static constexpr std::size_t words_for(std::size_t entries, std::size_t entry_words) noexcept {
    return 2 * (marks_for(entries) + entries * entry_words);
  }

  /// Makes the copy that is not `current` equal to the one that is. Called by the parent only. Costs a look at each
  /// entry in use.
  void copy(std::size_t current) const noexcept {
    const std::size_t next = 1 - current;
    for_each_number(current, [&](std::size_t number) {
      Word* const from = entry(current, number);
      Word* const to = entry(next, number);
      for (std::size_t i = 0; i < entry_words_; ++i) {
        const std::uint64_t word = from[i].load(std::memory_order_relaxed);  // own store
        to[i].store(word, std::memory_order_relaxed);                        // published by [G1]
      }
    });
    for (std::size_t i = 0; i < marks_for(entries_); ++i) {
      const std::uint64_t used = mark(current, i).load(std::memory_order_relaxed);  // own store
      if (used != 0) mark(next, i).store(used, std::memory_order_relaxed);          // published by [G1]
    }
  }

  /// Adds to an entry of the copy that is not `current`, after copy(). Called by the parent only. Sums stay at their
  /// largest value instead of overflowing.
  void add(std::size_t current, std::size_t number, std::span<const std::uint64_t> amounts) const noexcept {
    const std::size_t other = 1 - current;
    Word& used = mark(other, number / kMarks);
    const std::uint64_t bit = std::uint64_t{1} << number % kMarks;
    used.store(used.load(std::memory_order_relaxed) | bit, std::memory_order_relaxed);  // own store, published by [G1]
    Word* const to = entry(other, number);
    for (std::size_t i = 0; i < entry_words_; ++i) {
      const std::uint64_t before = to[i].load(std::memory_order_relaxed);  // own store
      const std::uint64_t sum = before + amounts[i] < before ? UINT64_MAX : before + amounts[i];
      to[i].store(sum, std::memory_order_relaxed);  // published by [G1]
    }
  }

  /// Calls `visit(number, words)` for each entry in use of a copy, with atomic words. Any process, while it reads the
  /// totals.
  template <class Visit>
  void for_each(std::size_t which, Visit&& visit) const {
    for_each_number(
        which, [&](std::size_t number) { visit(number, std::span<const Word>(entry(which, number), entry_words_)); });
  }

 private:
  static constexpr std::size_t kMarks = 64;

  [[nodiscard]] static constexpr std::size_t marks_for(std::size_t entries) noexcept {
    return (entries + kMarks - 1) / kMarks;
  }
  [[nodiscard]] Word* copy_at(std::size_t which) const noexcept {
    return words_ + which * words_for(entries_, entry_words_) / 2;
  }
  [[nodiscard]] Word& mark(std::size_t which, std::size_t word) const noexcept { return copy_at(which)[word]; }
  [[nodiscard]] Word* entry(std::size_t which, std::size_t number) const noexcept {
    return copy_at(which) + marks_for(entries_) + number * entry_words_;
  }
  template <class Visit>
  void for_each_number(std::size_t which, Visit&& visit) const {
    for (std::size_t word = 0; word < marks_for(entries_); ++word) {
      for (std::uint64_t left = mark(which, word).load(std::memory_order_relaxed); left != 0; left &= left - 1) {
        // After [G3], or an own store of the parent.
        const std::size_t number = word * kMarks + static_cast<std::size_t>(std::countr_zero(left));
        if (number < entries_) visit(number);
      }
    }
  }

  Word* words_;
  std::size_t entries_;
  std::size_t entry_words_;
};

}  // namespace sluice::detail
