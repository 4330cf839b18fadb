// SPDX-License-Identifier: Apache-2.0
// The machine as the recording algorithm uses it: atomics, single-writer counters and the two sides of an
// asymmetric fence. The algorithm is a template over a policy, so that one source serves production, a model checker
// and ThreadSanitizer. Source of the idea: folly's AsymmetricThreadFence and the membarrier flavour of liburcu.
//
// An atomics policy has a template Atomic<T> and a type Counter, for the counters of a slot.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sluice/detail/simd.hpp"

// 1 in a build for ThreadSanitizer. GCC defines a macro, clang has a feature.
#if defined(__SANITIZE_THREAD__)
#define SLUICE_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLUICE_THREAD_SANITIZER 1
#endif
#endif
#if !defined(SLUICE_THREAD_SANITIZER)
#define SLUICE_THREAD_SANITIZER 0
#endif

namespace sluice::inline v0_1::detail {

/// Registers this process for membarrier(PRIVATE_EXPEDITED). Returns true if membarrier_all() works. Blocks; called
/// once a recorder.
[[nodiscard]] bool membarrier_available() noexcept;

/// Executes a full barrier on every running thread of the process. Returns false if the kernel refused. One system
/// call.
[[nodiscard]] bool membarrier_all() noexcept;

/// Registers this process for membarrier(GLOBAL_EXPEDITED), so that readers in other processes reach its threads. Needs
/// no privilege. Returns true if membarrier_others() works. Blocks; called once a recorder.
[[nodiscard]] bool membarrier_open_to_others() noexcept;

/// Executes a full barrier on every running thread of each registered process, and on the caller. Returns false if the
/// kernel refused. One system call.
[[nodiscard]] bool membarrier_others() noexcept;

/// True on machines where a release fence needs no instruction, because they keep the stores of a thread in order
/// (TSO).
#if defined(__x86_64__) || defined(__i386__)
inline constexpr bool kReleaseFenceIsFree = true;
#else
inline constexpr bool kReleaseFenceIsFree = false;
#endif

/// Returns true if writers may leave the full fence to their readers, after registering the process for the barriers
/// that readers then need. `seen_by_others` says that processes other than this one read the memory; where a release
/// fence is not free, these rely on membarrier(), too.
[[nodiscard]] bool may_leave_fence_to_readers(bool seen_by_others,
                                              bool release_fence_is_free = kReleaseFenceIsFree) noexcept;

/// A counter that one thread writes and others read. add() is a plain load and store, never a locked instruction.
/// Relaxed order suffices for all operations, because the sequence of the slot orders writer and reader, see
/// epoch_reader.hpp. Plain integers would be correct as well, but slower: a compiler adds some neighbours as one vector
/// and reads their halves elsewhere, and a load then waits for stores that it covers in part.
class RelaxedCounter {
 public:
  /// Returns the value. Any thread.
  [[nodiscard]] std::uint64_t get() const noexcept { return word().load(std::memory_order_relaxed); }
  /// Returns the value of a counter that no writer can change. A plain read, so that a compiler may combine several.
  [[nodiscard]] std::uint64_t load_quiescent() const noexcept { return value_; }
  /// Sets the value. Called by the writer only, as are add() and update_max().
  void set(std::uint64_t value) noexcept { word().store(value, std::memory_order_relaxed); }
  /// Adds an amount. One instruction on x86-64, where GCC would emit three. The aligned load and store inside that
  /// instruction are each atomic to others, as x86 guarantees for separate ones.
  void add(std::uint64_t amount) noexcept {
#if defined(__x86_64__)
    __asm__("addq %1, %0" : "+m"(value_) : "er"(amount) : "cc");
#else
    set(get() + amount);
#endif
  }
  /// Sets the value to `value` if that is larger.
  void update_max(std::uint64_t value) noexcept {
    if (value_ < value) set(value);  // own store
  }

 private:
  [[nodiscard]] std::atomic_ref<std::uint64_t> word() const noexcept {
    return std::atomic_ref<std::uint64_t>(const_cast<std::uint64_t&>(value_));
  }

  alignas(std::atomic_ref<std::uint64_t>::required_alignment) std::uint64_t value_{0};
};

/// A RelaxedCounter without atomics, for ThreadSanitizer: it reports a race unless the sequence alone orders writer and
/// reader.
class PlainCounter {
 public:
  [[nodiscard]] std::uint64_t get() const noexcept { return value_; }
  [[nodiscard]] std::uint64_t load_quiescent() const noexcept { return value_; }
  void set(std::uint64_t value) noexcept { value_ = value; }
  void add(std::uint64_t amount) noexcept { value_ += amount; }
  void update_max(std::uint64_t value) noexcept {
    if (value_ < value) value_ = value;
  }

 private:
  std::uint64_t value_{0};
};

/// A counter that many threads write, for overflow counters. Lock-free.
class SharedCounter {
 public:
  [[nodiscard]] std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t load_quiescent() const noexcept { return get(); }
  void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  void add(std::uint64_t amount) noexcept { value_.fetch_add(amount, std::memory_order_relaxed); }
  void update_max(std::uint64_t value) noexcept {
    std::uint64_t seen = get();
    while (seen < value && !value_.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
    }
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Adds to two adjacent counters, of which the first is aligned to 16 bytes.
template <class Counter>
void add_pair(Counter* counters, U64x2 amounts) noexcept {
  counters[0].add(amounts[0]);
  counters[1].add(amounts[1]);
}

#if __SIZEOF_POINTER__ == 8
/// Does the same with one load and one store. Each half is atomic to others, because it is aligned and 64-bit machines
/// do not split an aligned word.
inline void add_pair(RelaxedCounter* counters, U64x2 amounts) noexcept {
  using Words [[gnu::may_alias]] = U64x2;
  auto* const words = reinterpret_cast<volatile Words*>(counters);
  *words = *words + amounts;
}
#endif

/// Returns the values of two adjacent counters that a writer may change meanwhile. They may be of different instants.
template <class Counter>
[[gnu::always_inline]] inline U64x2 get_pair(const Counter* counters) noexcept {
  return U64x2{counters[0].get(), counters[1].get()};
}

#if __SIZEOF_POINTER__ == 8
/// Does the same with one load. Each half is an aligned word, which 64-bit machines do not split, also where the pair
/// lies in two lines.
[[gnu::always_inline]] inline U64x2 get_pair(const RelaxedCounter* counters) noexcept {
  using Words [[gnu::may_alias, gnu::aligned(sizeof(std::uint64_t))]] = U64x2;
  return *reinterpret_cast<const volatile Words*>(counters);
}
#endif

/// Returns the values of two adjacent counters that no writer can change.
template <class Counter>
[[gnu::always_inline]] inline U64x2 load_quiescent_pair(const Counter* counters) noexcept {
  return U64x2{counters[0].load_quiescent(), counters[1].load_quiescent()};
}

#if __SIZEOF_POINTER__ == 8
/// Does the same with one load.
[[gnu::always_inline]] inline U64x2 load_quiescent_pair(const RelaxedCounter* counters) noexcept {
  return load_two(reinterpret_cast<const std::uint64_t*>(counters));
}
#endif

/// The atomics policy of production.
struct StdAtomics {
  template <class T>
  using Atomic = std::atomic<T>;
  using Counter = RelaxedCounter;
};

/// The atomics policy for ThreadSanitizer, with counters that are not atomic.
struct PlainAtomics {
  template <class T>
  using Atomic = std::atomic<T>;
  using Counter = PlainCounter;
};

/// A read-modify-write on one shared word, instead of a fence. ThreadSanitizer does not model fences.
struct RmwFence {
  static bool full() noexcept {
    word.fetch_add(0, std::memory_order_seq_cst);
    return true;
  }
  static inline constinit std::atomic<std::uint32_t> word{0};
};

/// The asymmetric fence: light() is a compiler barrier, heavy() executes a full barrier on every running thread of the
/// process. Where a release fence is free, light() is one, too, so that readers in other processes need no barrier.
struct AsymmetricFence {
  static void light() noexcept {
#if !SLUICE_THREAD_SANITIZER
    if constexpr (kReleaseFenceIsFree) std::atomic_thread_fence(std::memory_order_release);
#endif
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  [[nodiscard]] static bool heavy() noexcept { return membarrier_all(); }
};

/// The symmetric fence: both sides execute a full fence. For kernels and sandboxes that refuse membarrier().
struct SymmetricFence {
#if SLUICE_THREAD_SANITIZER
  static void light() noexcept { RmwFence::full(); }
  [[nodiscard]] static bool heavy() noexcept { return RmwFence::full(); }
#else
  static void light() noexcept { std::atomic_thread_fence(std::memory_order_seq_cst); }
  [[nodiscard]] static bool heavy() noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return true;
  }
#endif
};

/// The fence of a reader in another process, where each record has a full fence or a release fence.
struct AcquireFence {
  static constexpr std::size_t kSlotsAtOnce = 1;  ///< Number of slots that one fence serves.
#if SLUICE_THREAD_SANITIZER
  static void heavy() noexcept { RmwFence::full(); }
#else
  static void heavy() noexcept { std::atomic_thread_fence(std::memory_order_acquire); }
#endif
};

/// The fence of a reader in another process, where writers may leave the full fence to their readers. One system call
/// serves several slots. The fence of the reader itself serves writers with a full fence, and is all that remains if
/// the kernel refuses the call.
struct InterprocessBarrier {
  static constexpr std::size_t kSlotsAtOnce = 4;  ///< Number of slots that one barrier serves.
  static void heavy() noexcept {
    static_cast<void>(membarrier_others());
    static_cast<void>(SymmetricFence::heavy());
  }
};

/// The fence of a reader in another process on this machine.
using InterprocessFence = std::conditional_t<kReleaseFenceIsFree, AcquireFence, InterprocessBarrier>;

/// The atomics policy of this build.
#if SLUICE_THREAD_SANITIZER
using ProductionAtomics = PlainAtomics;
#else
using ProductionAtomics = StdAtomics;
#endif

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free);

}  // namespace sluice::detail
