// SPDX-License-Identifier: Apache-2.0
// The policies of detail/policy.hpp, simulated by Relacy: atomics that may return overwritten values, counters that
// must not race, and the fences.
//
// Relacy runs all threads on one, and switches between them where `sched()` is called. A thread's loads of a location
// that only it writes are no such points, because other threads cannot change what they return.
#pragma once

#include "relacy.hpp"

namespace sluice::models {

constexpr rl::memory_order mapped(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed:
      return rl::mo_relaxed;
    case std::memory_order_acquire:
      return rl::mo_acquire;
    case std::memory_order_release:
      return rl::mo_release;
    case std::memory_order_acq_rel:
      return rl::mo_acq_rel;
    default:
      return rl::mo_seq_cst;
  }
}

inline constexpr int kNobody = -1;
inline constexpr int kSeveral = -2;

/// True while one thread alone sets up or evaluates the scenario.
inline bool alone = true;

inline int self() { return static_cast<int>(rl::thread_index()); }

/// The last location that each thread loaded, so that it can wait until the location changes. Repeated loads of the
/// same value would only multiply the schedules.
class Waiting {
 public:
  void loaded(const void* cell, bool latest) { threads_[self()] = {cell, latest, false}; }

  /// Waits until the location has been stored to since it was loaded.
  void wait() {
    Thread& thread = threads_[self()];
    if (thread.latest) {
      thread.parked = true;
      rl::ctx().park_current_thread(false, false, false, RL_INFO);
    } else {
      rl::ctx().threadx_->last_yield_ = rl::ctx().threadx_->own_acq_rel_order_;
    }
  }

  void stored(const void* cell) {
    for (int i = 0; i < kThreads; ++i) {
      Thread& thread = threads_[i];
      if (thread.cell != cell) continue;
      thread.latest = false;
      if (std::exchange(thread.parked, false)) rl::ctx().unpark_thread(i, false, RL_INFO);
    }
  }

 private:
  static constexpr int kThreads = 8;
  struct Thread {
    const void* cell = nullptr;
    bool latest = false;
    bool parked = false;
  };
  Thread threads_[kThreads];
};

inline Waiting waiting;

template <class T>
class RelacyAtomic {
 public:
  RelacyAtomic() { cell_.store(T{}, rl::mo_relaxed, RL_INFO); }

  T load(std::memory_order order) const noexcept {
    if (alone || constant_) return latest_;
    if (writer_ == self()) {
      waiting.loaded(this, true);
      return latest_;
    }
    const T value = cell_.load(mapped(order), RL_INFO);
    waiting.loaded(this, value == latest_);
    return value;
  }
  void store(T value, std::memory_order order) noexcept {
    if (!alone) writer_ = writer_ == kSeveral ? kSeveral : self();
    cell_.store(value, mapped(order), RL_INFO);
    latest_ = value;
    waiting.stored(this);
  }
  T fetch_add(T value, std::memory_order order) noexcept {
    writer_ = kSeveral;
    const T before = cell_.fetch_add(value, mapped(order), RL_INFO);
    latest_ = before + value;
    waiting.stored(this);
    return before;
  }
  T fetch_sub(T value, std::memory_order order) noexcept { return fetch_add(T{} - value, order); }
  T fetch_or(T value, std::memory_order order) noexcept {
    writer_ = kSeveral;
    const T before = cell_.fetch_or(value, mapped(order), RL_INFO);
    latest_ = before | value;
    waiting.stored(this);
    return before;
  }
  T fetch_and(T value, std::memory_order order) noexcept {
    writer_ = kSeveral;
    const T before = cell_.fetch_and(value, mapped(order), RL_INFO);
    latest_ = before & value;
    waiting.stored(this);
    return before;
  }
  T exchange(T value, std::memory_order order) noexcept {
    writer_ = kSeveral;
    const T before = cell_.exchange(value, mapped(order), RL_INFO);
    latest_ = value;
    waiting.stored(this);
    return before;
  }
  bool compare_exchange_strong(T& expected, T desired, std::memory_order order, std::memory_order failure) noexcept {
    writer_ = kSeveral;
    const bool done =
        cell_.compare_exchange(rl::bool_t<false>(), expected, desired, mapped(order), mapped(failure), RL_INFO);
    if (done) {
      latest_ = desired;
      waiting.stored(this);
    }
    return done;
  }
  /// Does not fail spuriously, because a loop around it would only repeat.
  bool compare_exchange_weak(T& expected, T desired, std::memory_order order, std::memory_order failure) noexcept {
    return compare_exchange_strong(expected, desired, order, failure);
  }

  /// Declares that no thread of the scenario writes the location, or only the given one.
  void set_constant() { constant_ = true; }
  void set_writer(int thread) { writer_ = thread; }

 private:
  rl::atomic<T> cell_;
  T latest_{};
  /// Slots, epoch and messages are 64-bit and have one writer at a time. Locations that many threads change have other
  /// types.
  int writer_ = std::is_same_v<T, std::uint64_t> ? kNobody : kSeveral;
  bool constant_ = false;
};

/// The counters that are checked, one object a scenario. Each checked counter multiplies the schedules, so a scenario
/// picks a few of a bank by address; the others are plain numbers.
template <class Watch>
class Watched {
 public:
  Watched() { ++execution_; }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  void add(const void* counter) {
    Entry& entry = table_[index_of(counter)];
    if (entry.execution == execution_) std::abort();  // two counters have the same entry: choose others
    watches_.push_back(std::make_unique<Watch>());
    entry = {counter, watches_.back().get(), execution_};
  }

  static Watch* find(const void* counter) noexcept {
    const Entry& entry = table_[index_of(counter)];
    return entry.counter == counter && entry.execution == execution_ ? entry.watch : nullptr;
  }

 private:
  struct Entry {
    const void* counter;
    Watch* watch;
    std::uint64_t execution;
  };

  static constexpr std::size_t kEntries = 8192;
  static std::size_t index_of(const void* counter) noexcept {
    return reinterpret_cast<std::uintptr_t>(counter) / sizeof(std::uint64_t) % kEntries;
  }

  static inline Entry table_[kEntries] = {};
  static inline std::uint64_t execution_ = 0;
  std::vector<std::unique_ptr<Watch>> watches_;
};

/// A counter that one thread writes. No access may race with a write. The claim under test is that a plain read of a
/// quiescent bank is allowed and returns the last value written.
class RelacyCounter {
 public:
  struct Watch {
    rl::var<std::uint64_t> value{0};
  };

  [[nodiscard]] std::uint64_t get() const noexcept {
    if (Watch* const watch = Watched<Watch>::find(this); watch != nullptr) return watch->value(RL_INFO).load();
    return value_;
  }
  [[nodiscard]] std::uint64_t load_quiescent() const noexcept { return get(); }
  void set(std::uint64_t value) noexcept {
    if (Watch* const watch = Watched<Watch>::find(this); watch != nullptr) {
      rl::ctx().sched();
      watch->value(RL_INFO).store(value);
      return;
    }
    value_ = value;
  }
  void add(std::uint64_t amount) noexcept { set(get() + amount); }
  void update_max(std::uint64_t value) noexcept {
    if (get() < value) set(value);
  }

 private:
  std::uint64_t value_ = 0;
};

/// A counter that one thread writes and a reader in another process reads at any time. The reader may get an old value,
/// or one that is newer than those of other counters.
class RelacyReadCounter {
 public:
  struct Watch {
    RelacyAtomic<std::uint64_t> value;
  };

  [[nodiscard]] std::uint64_t get() const noexcept {
    Watch* const watch = Watched<Watch>::find(this);
    return watch != nullptr ? watch->value.load(std::memory_order_relaxed) : value_;
  }
  void set(std::uint64_t value) noexcept {
    if (Watch* const watch = Watched<Watch>::find(this); watch != nullptr) {
      watch->value.store(value, std::memory_order_relaxed);
    } else {
      value_ = value;
    }
  }
  void add(std::uint64_t amount) noexcept { set(get() + amount); }
  void update_max(std::uint64_t value) noexcept {
    if (get() < value) set(value);
  }

 private:
  std::uint64_t value_ = 0;
};

/// A counter that many threads add to, and that a reader reads while it has exclusive access. The read may not race
/// with an addition; additions do not race with one another.
class RelacySharedCounter {
 public:
  static constexpr int kThreads = 4;

  class Watch {
   public:
    Watch() { value_.store(0, rl::mo_relaxed, RL_INFO); }

    [[nodiscard]] std::uint64_t get() {
      for (Mark& mark : marks_) static_cast<void>(mark.value(RL_INFO).load());
      return value_.load(rl::mo_relaxed, RL_INFO);
    }
    void add(std::uint64_t amount) {
      marks_[self()].value(RL_INFO).store(0);
      value_.fetch_add(amount, rl::mo_relaxed, RL_INFO);
    }

   private:
    struct Mark {
      rl::var<std::uint64_t> value{0};
    };
    Mark marks_[kThreads];  ///< Stands for the additions of each thread in the search for races.
    rl::atomic<std::uint64_t> value_;
  };

  [[nodiscard]] std::uint64_t get() const noexcept {
    Watch* const watch = Watched<Watch>::find(this);
    return watch != nullptr ? watch->get() : value_;
  }
  [[nodiscard]] std::uint64_t load_quiescent() const noexcept { return get(); }
  void add(std::uint64_t amount) noexcept {
    if (Watch* const watch = Watched<Watch>::find(this); watch != nullptr) {
      watch->add(amount);
    } else {
      value_ += amount;
    }
  }
  /// Scenarios watch no counter that is updated by update_max() or set().
  void update_max(std::uint64_t value) noexcept { value_ = std::max(value_, value); }
  void set(std::uint64_t value) noexcept { value_ = value; }

 private:
  std::uint64_t value_ = 0;
};

struct RelacyAtomics {
  template <class T>
  using Atomic = RelacyAtomic<T>;
  using Counter = RelacyCounter;
};

/// Atomics of slots that another process reads.
struct RelacyReadAtomics {
  template <class T>
  using Atomic = RelacyAtomic<T>;
  using Counter = RelacyReadCounter;
};

/// The instants of one execution, all different.
inline std::uint64_t now = 0;
inline std::uint64_t tick() { return ++now; }

/// Instant at which the last heavy fence took effect.
inline std::uint64_t fence_at = 0;

/// The asymmetric fence. heavy() is a barrier in every thread at one instant. The scheduling point before it lets other
/// threads run between the store of the epoch and the barrier; the operation after the barrier has a scheduling point
/// of its own.
struct RelacyAsymmetricFence {
  static constexpr bool kAsymmetric = true;
  static constexpr bool kIsRefused = false;
  static void light() noexcept {}
  [[nodiscard]] static bool heavy() noexcept {
    rl::ctx().sched();
    rl::systemwide_fence(RL_INFO);
    fence_at = tick();
    return true;
  }
};

/// The writer's half where a release fence is free.
struct RelacyReleaseFence {
  static void light() noexcept { rl::atomic_thread_fence(rl::mo_release, RL_INFO); }
};

/// The asymmetric fence on a system that refuses it up to `refusals` times, whenever that is. A refused one does
/// nothing.
struct RelacyRefusedFence {
  static constexpr bool kAsymmetric = true;
  static constexpr bool kIsRefused = true;
  static inline int refusals = 0;
  static void light() noexcept {}
  [[nodiscard]] static bool heavy() noexcept {
    if (refusals == 0 || rl::ctx().rand(2, rl::sched_type_user) == 0) return RelacyAsymmetricFence::heavy();
    --refusals;
    return false;
  }
};

struct RelacySymmetricFence {
  static constexpr bool kAsymmetric = false;
  static constexpr bool kIsRefused = false;
  static void light() noexcept { rl::atomic_thread_fence(rl::mo_seq_cst, RL_INFO); }
  [[nodiscard]] static bool heavy() noexcept {
    rl::atomic_thread_fence(rl::mo_seq_cst, RL_INFO);
    fence_at = tick();
    return true;
  }
};

}  // namespace sluice::models
