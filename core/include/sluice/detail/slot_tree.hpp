// SPDX-License-Identifier: Apache-2.0
// A tree of words whose bits record which slots are taken. A bit of the lowest level stands for a slot, and is set
// while the slot is taken; a bit above stands for a word, and is set while all bits of the word are. Finding the lowest
// free slot takes one step for each level from the top, and 10,000 slots have three levels. All-zero bytes are the
// empty state. Plain memory without pointers; values in it never lead outside of it.
//
// The bits of the lowest level are exact. Those above may be wrong for a moment while slots come and go: a bit that is
// clear though its word is full is corrected by whoever meets it, and one that is set though its word is not full is
// cleared by the thread that set it, or by the one that made room (docs/memory-model.md, "Threads and forks").
//
//   Order map
//     [S1] take   RMW  word of a slot  acquire  synchronizes with [S2]: the new owner sees the counters of the last one
//     [S2] open   RMW  word            acq_rel  synchronizes with [S1], and with [S6]: the bit above is set
//                                               before it is cleared
//     [S6] close  RMW  word            release  synchronizes with [S2]
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace sluice::inline v0_1::detail {

/// Number of bits of a word of the tree that are used.
inline constexpr std::size_t kTreeFanout = 64;

/// A view of the words of a tree. Owns nothing.
template <class Atomics, std::size_t kFanout = kTreeFanout>
class SlotTree {
 public:
  using Word = typename Atomics::template Atomic<std::uint64_t>;

  SlotTree() noexcept = default;
  /// Makes a view of words_for(slots) words.
  SlotTree(Word* words, std::size_t slots) noexcept : words_(words), slots_(slots) {}

  /// Returns the number of words of a tree for `slots` slots.
  [[nodiscard]] static constexpr std::size_t words_for(std::size_t slots) noexcept {
    std::size_t all = 0;
    for (Level level{0, slots};; level = level.above()) {
      all += level.words();
      if (level.words() <= 1) return all;
    }
  }

  /// Takes the slot. Returns false if it is taken. Wait-free.
  bool take(std::size_t slot) noexcept {
    const Level slots{0, slots_};
    const std::uint64_t before = word(slots, slot).fetch_or(bit(slot), std::memory_order_acquire);  // [S1]
    if ((before & bit(slot)) != 0) return false;
    close(slots, slot, before | bit(slot));
    return true;
  }

  /// Gives back a slot that the caller has taken. Wait-free.
  void give_back(std::size_t slot) noexcept { open({0, slots_}, slot); }

  /// Returns the lowest free slot, for the caller to take, or none if all are taken. One step for each level, unless
  /// other threads take slots meanwhile or all are taken; then a look at each word of the lowest level at most.
  [[nodiscard]] std::optional<std::size_t> lowest_free() noexcept {
    for (int turn = 0; turn < kTurns; ++turn) {
      bool stale = false;
      if (const std::optional<std::size_t> slot = descend(top(), 0, stale); slot || !stale)
        return slot ? slot : search();
    }
    return search();
  }

 private:
  /// A level: the bits of `first` and the words after it, one for each of `bits` slots or words below.
  struct Level {
    std::size_t first;
    std::size_t bits;

    [[nodiscard]] constexpr std::size_t words() const noexcept { return (bits + kFanout - 1) / kFanout; }
    [[nodiscard]] constexpr bool is_top() const noexcept { return words() <= 1; }
    [[nodiscard]] constexpr Level above() const noexcept { return {first + words(), words()}; }
    /// Returns the word that is full, by its number in the level: the last one has fewer bits.
    [[nodiscard]] constexpr std::uint64_t full(std::size_t number) const noexcept {
      const std::size_t used = bits - number * kFanout;
      return used >= 64 || (used >= kFanout && kFanout == 64)
                 ? ~std::uint64_t{0}
                 : (std::uint64_t{1} << (used < kFanout ? used : kFanout)) - 1;
    }
  };

  /// Bound of the turns in which stale bits are corrected. Each turn means that another thread has made progress, so
  /// that many mean that code outside the protocol overwrites the memory.
  static constexpr int kTurns = 1000;

  static constexpr std::uint64_t bit(std::size_t index) noexcept { return std::uint64_t{1} << (index % kFanout); }
  [[nodiscard]] Word& word(const Level& level, std::size_t index) const noexcept {
    return words_[level.first + index / kFanout];
  }
  [[nodiscard]] Level top() const noexcept {
    Level level{0, slots_};
    while (!level.is_top()) level = level.above();
    return level;
  }

  /// Follows the lowest clear bits from the top. Returns none at a full word, after correcting the bit above if there
  /// is one: then `stale` is set.
  std::optional<std::size_t> descend(const Level& level, std::size_t number, bool& stale) noexcept {
    const std::uint64_t full = level.full(number);
    // Relaxed, because take() checks the bit again.
    const std::uint64_t clear = ~word(level, number * kFanout).load(std::memory_order_relaxed) & full;
    if (clear == 0) {
      stale = !level.is_top();
      if (stale) close(level, number * kFanout, full);
      return std::nullopt;
    }
    const std::size_t child = number * kFanout + static_cast<std::size_t>(std::countr_zero(clear));
    return level.first == 0 ? std::optional(child) : descend(below(level), child, stale);
  }

  [[nodiscard]] Level below(const Level& level) const noexcept {
    Level lower{0, slots_};
    while (lower.above().first != level.first) lower = lower.above();
    return lower;
  }

  /// Looks at each word of the lowest level, whose bits are exact.
  [[nodiscard]] std::optional<std::size_t> search() const noexcept {
    const Level slots{0, slots_};
    for (std::size_t number = 0; number < slots.words(); ++number) {
      // Relaxed, because take() checks the bit again.
      const std::uint64_t taken = word(slots, number * kFanout).load(std::memory_order_relaxed);
      const std::uint64_t clear = ~taken & slots.full(number);
      if (clear != 0) return number * kFanout + static_cast<std::size_t>(std::countr_zero(clear));
    }
    return std::nullopt;
  }

  /// Sets the bit of a word that is full with `value`, and those above that are full thereby. Then looks at the word
  /// again, by a read-modify-write: either it is not full any more, and the bit is cleared again, or the thread that
  /// makes room reads what this one wrote, by [S2], and clears the bit after it was set.
  void close(Level level, std::size_t index, std::uint64_t value) noexcept {
    while (!level.is_top() && value == level.full(index / kFanout)) {
      const Level above = level.above();
      const std::size_t number = index / kFanout;
      value = word(above, number).fetch_or(bit(number), std::memory_order_relaxed) | bit(number);  // ordered by [S6]
      const std::uint64_t again = word(level, index).fetch_or(0, std::memory_order_release);       // [S6]
      if (again != level.full(number)) {
        open(above, number);
        return;
      }
      level = above;
      index = number;
    }
  }

  /// Clears a bit, and those above of words that were full until then.
  void open(Level level, std::size_t index) noexcept {
    while (true) {
      const std::uint64_t before = word(level, index).fetch_and(~bit(index), std::memory_order_acq_rel);  // [S2]
      if (level.is_top() || before != level.full(index / kFanout)) return;
      index /= kFanout;
      level = level.above();
    }
  }

  Word* words_ = nullptr;
  std::size_t slots_ = 0;
};

}  // namespace sluice::detail
