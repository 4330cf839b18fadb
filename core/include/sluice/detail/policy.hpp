// Everything that the recording algorithm takes from its machine: atomics, single-writer counters and the two
// sides of an asymmetric fence. The algorithm is a template over a policy, so that one source serves production, a
// model checker and ThreadSanitizer. Source of the idea: folly's AsymmetricThreadFence, liburcu's membarrier flavour.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "sluice/detail/simd.hpp"

// 1 in a build for ThreadSanitizer: GCC says so by a macro, clang by a feature.
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

namespace sluice::detail {

/// True once this process may use membarrier(PRIVATE_EXPEDITED). Registers on the first call. Blocking, rare.
[[nodiscard]] bool membarrier_available() noexcept;

/// A full barrier on every running thread of the process. False if the kernel refused.
[[nodiscard]] bool membarrier_all() noexcept;

/// True once readers in other processes may use membarrier(GLOBAL_EXPEDITED) on the threads of this one. Registers the
/// process; needs no privilege. Blocking, rare.
[[nodiscard]] bool membarrier_open_to_others() noexcept;

/// A full barrier on every running thread of each registered process, and on the caller. False if the kernel refused.
[[nodiscard]] bool membarrier_others() noexcept;

/// True where a release fence is no instruction, because the machine shows each thread's stores in their order anyway.
#if defined(__x86_64__) || defined(__i386__)
inline constexpr bool kReleaseFenceIsFree = true;
#else
inline constexpr bool kReleaseFenceIsFree = false;
#endif

/// Whether writers may leave the full fence to their readers. `seen_by_others`: readers in other processes exist, too,
/// and rely on membarrier where a release fence in each record would cost something. Registers what it names.
[[nodiscard]] bool may_leave_fence_to_readers(bool seen_by_others,
                                              bool release_fence_is_free = kReleaseFenceIsFree) noexcept;

/// A counter that one thread writes and others read. `add` is a plain load and store, never a locked instruction.
/// Relaxed is enough everywhere: what a reader may rely on is ordered by the slot's sequence, see epoch_reader.hpp.
/// Plain integers would do as well, and are slower: a compiler then adds some neighbours as one vector and their halves
/// elsewhere, and a load waits for stores that it covers in part.
class RelaxedCounter {
 public:
  [[nodiscard]] std::uint64_t get() const noexcept { return cell().load(std::memory_order_relaxed); }
  /// The value while no writer can change it. A plain read, so that a compiler may do several at once.
  [[nodiscard]] std::uint64_t load_quiescent() const noexcept { return value_; }
  void set(std::uint64_t value) noexcept { cell().store(value, std::memory_order_relaxed); }
  /// One instruction, where there is one and GCC makes two accesses and an addition of it. An aligned load and an
  /// aligned store inside one are each whole to others, as x86 promises for those outside.
  void add(std::uint64_t amount) noexcept {
#if defined(__x86_64__)
    __asm__("addq %1, %0" : "+m"(value_) : "er"(amount) : "cc");
#else
    set(get() + amount);
#endif
  }
  void update_max(std::uint64_t value) noexcept {
    if (value_ < value) set(value);  // own store
  }

 private:
  [[nodiscard]] std::atomic_ref<std::uint64_t> cell() const noexcept {
    return std::atomic_ref<std::uint64_t>(const_cast<std::uint64_t&>(value_));
  }

  alignas(std::atomic_ref<std::uint64_t>::required_alignment) std::uint64_t value_{0};
};

/// The same without atomics: shows ThreadSanitizer whether the sequence alone orders writer and reader.
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

/// A counter that many threads write: an overflow counter. Lock-free.
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

/// Adds to two neighbours, of which the first is aligned for two.
template <class Counter>
void add_pair(Counter* counters, U64x2 amounts) noexcept {
  counters[0].add(amounts[0]);
  counters[1].add(amounts[1]);
}

#if __SIZEOF_POINTER__ == 8
/// One load and one store. To others each half of them is whole: both are aligned, and no machine of 64 bits parts a
/// word.
inline void add_pair(RelaxedCounter* counters, U64x2 amounts) noexcept {
  using Words [[gnu::may_alias]] = U64x2;
  auto* const words = reinterpret_cast<volatile Words*>(counters);
  *words = *words + amounts;
}
#endif

struct StdAtomics {
  template <class T>
  using Atomic = std::atomic<T>;
  using Counter = RelaxedCounter;
};

struct PlainAtomics {
  template <class T>
  using Atomic = std::atomic<T>;
  using Counter = PlainCounter;
};

/// A read-modify-write on one shared word. Stands in for a fence under ThreadSanitizer, which models no fences.
struct RmwFence {
  static bool full() noexcept {
    word.fetch_add(0, std::memory_order_seq_cst);
    return true;
  }
  static inline constinit std::atomic<std::uint32_t> word{0};
};

/// Writers pay nothing but a compiler barrier; the reader makes every running thread pass a full barrier. Where it is
/// free the writer's half is a release fence, too, so that readers in other processes need no barrier.
struct AsymmetricFence {
  static void light() noexcept {
#if !SLUICE_THREAD_SANITIZER
    if constexpr (kReleaseFenceIsFree) std::atomic_thread_fence(std::memory_order_release);
#endif
    std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  [[nodiscard]] static bool heavy() noexcept { return membarrier_all(); }
};

/// Both sides pay a full fence. For kernels and sandboxes that refuse membarrier.
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

/// The half of a reader in another process, where writers pass a full fence or a release fence in each record.
struct AcquireFence {
  static constexpr std::size_t kSlotsAtOnce = 1;
#if SLUICE_THREAD_SANITIZER
  static void heavy() noexcept { RmwFence::full(); }
#else
  static void heavy() noexcept { std::atomic_thread_fence(std::memory_order_acquire); }
#endif
};

/// The same, where writers may have left the full fence to their readers. One call to the kernel serves several slots.
/// A fence of its own serves writers that pass one, and is all there is where the kernel refuses the call.
struct InterprocessBarrier {
  static constexpr std::size_t kSlotsAtOnce = 4;
  static void heavy() noexcept {
    static_cast<void>(membarrier_others());
    static_cast<void>(SymmetricFence::heavy());
  }
};

using InterprocessFence = std::conditional_t<kReleaseFenceIsFree, AcquireFence, InterprocessBarrier>;

#if SLUICE_THREAD_SANITIZER
using ProductionAtomics = PlainAtomics;
#else
using ProductionAtomics = StdAtomics;
#endif

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic_ref<std::uint64_t>::is_always_lock_free);

}  // namespace sluice::detail
