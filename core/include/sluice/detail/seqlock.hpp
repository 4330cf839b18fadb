// A plain value that one thread writes and any thread reads whole or not at all, without either waiting. Every word is
// atomic, so that a torn reading is a number to be thrown away and never a race.
//
//   Order map (the argument is in docs/memory-model.md, "Slow requests")
//     [Q1] open    store sequence  relaxed   odd: being written. Carried by [Q2], so that no fence is needed
//     [Q2] put     store word      release   pairs with [Q5]: who reads a word of a writing sees [Q1] of it
//     [Q3] close   store sequence  release   pairs with [Q4]: who sees the number sees all words
//     [Q4] load    load  sequence  acquire   pairs with [Q3]
//     [Q5] load    load  word      acquire   pairs with [Q2]
//     [Q6] load    load  sequence  relaxed   ordered by [Q5]: a word of a later writing makes it differ
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace sluice::detail {

/// All-zero bytes are its empty state, with the sequence 0. `T` is made of whole words.
template <class Atomics, class T>
class Seqlock {
 public:
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % sizeof(std::uint64_t) == 0);
  static constexpr std::size_t kWords = sizeof(T) / sizeof(std::uint64_t);

  /// Stores the first `bytes` of a value under a sequence, which is even and new. Its one writer; wait-free.
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

  /// Changes one word of the value that is stored. Readers see the old word or the new. Its one writer; wait-free.
  void put(std::size_t index, std::uint64_t word) noexcept {
    words_[index].store(word, std::memory_order_release);  // [Q2]
  }

  /// The sequence of the value that was read whole; 0 if there was none, or it was being written. Any thread;
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

  /// What its writer stored last.
  [[nodiscard]] std::uint64_t own_sequence() const noexcept { return sequence_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t own_word(std::size_t i) const noexcept {
    return words_[i].load(std::memory_order_relaxed);
  }

 private:
  using Word = typename Atomics::template Atomic<std::uint64_t>;

  Word sequence_;
  std::array<Word, kWords> words_;
};

}  // namespace sluice::detail
