// SPDX-License-Identifier: Apache-2.0
// A plain value that one thread writes and any thread reads as a whole or not at all, without either waiting. Every
// word is atomic, so a torn reading is a value to discard and never a data race. The approach is that of Boehm, "Can
// seqlocks get along with programming language memory models?" (MSPC 2012), with release stores of the words instead of
// a fence.
//
//   Order map (the argument is in docs/memory-model.md, "Slow requests")
//     [Q1] store  store sequence  relaxed   odd: being written. Ordered by [Q2], so that no fence is needed
//     [Q2] put    store word      release   synchronizes with [Q5]: [Q1] of the same writing happens before [Q6]
//     [Q3] store  store sequence  release   synchronizes with [Q4]: all words are visible with the number
//     [Q4] load   load  sequence  acquire   synchronizes with [Q3]
//     [Q5] load   load  word      acquire   synchronizes with [Q2]
//     [Q6] load   load  sequence  relaxed   ordered by [Q5]: differs if a word came from a later writing
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace sluice::inline v0_1::detail {

/// A value with a sequence number. All-zero bytes are the empty state, with the sequence 0. `T` consists of whole
/// words.
template <class Atomics, class T>
class Seqlock {
 public:
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(std::uint64_t) == 0);
  static constexpr std::size_t kWords = sizeof(T) / sizeof(std::uint64_t);

  /// Stores the first `bytes` of a value with a sequence, which must be even and new. Called by the writer only;
  /// wait-free.
  void store(const T& value, std::size_t bytes, std::uint64_t sequence) noexcept {
    sequence_.store(sequence - 1, std::memory_order_relaxed);  // [Q1]
    const auto* const from = reinterpret_cast<const std::byte*>(&value);
    for (std::size_t i = 0; i * sizeof(std::uint64_t) < bytes; ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, from + i * sizeof word, sizeof word);
      put(i, word);
    }
    sequence_.store(sequence, std::memory_order_release);  // [Q3]
  }

  /// Changes one word of the stored value. Readers see the old word or the new one. Called by the writer only;
  /// wait-free.
  void put(std::size_t index, std::uint64_t word) noexcept {
    words_[index].store(word, std::memory_order_release);  // [Q2]
  }

  /// Copies the value and returns its sequence; returns 0 if there is no value, or if it was being written. Any thread;
  /// wait-free.
  [[nodiscard]] std::uint64_t load(T& value) const noexcept {
    const std::uint64_t before = sequence_.load(std::memory_order_acquire);  // [Q4]
    if (before % 2 != 0) return 0;
    auto* const to = reinterpret_cast<std::byte*>(&value);
    for (std::size_t i = 0; i < kWords; ++i) {
      const std::uint64_t word = words_[i].load(std::memory_order_acquire);  // [Q5]
      std::memcpy(to + i * sizeof word, &word, sizeof word);
    }
    return sequence_.load(std::memory_order_relaxed) == before ? before : 0;  // [Q6]
  }

  /// Returns the sequence that was stored last. Called by the writer only.
  [[nodiscard]] std::uint64_t own_sequence() const noexcept { return sequence_.load(std::memory_order_relaxed); }
  /// Returns a word that was stored last. Called by the writer, or by any thread for an estimate.
  [[nodiscard]] std::uint64_t own_word(std::size_t i) const noexcept {
    return words_[i].load(std::memory_order_relaxed);
  }

 private:
  using Word = typename Atomics::template Atomic<std::uint64_t>;

  Word sequence_;
  std::array<Word, kWords> words_;
};

}  // namespace sluice::detail
