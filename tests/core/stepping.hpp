// SPDX-License-Identifier: Apache-2.0
// Atomics that call a hook before each operation, so that a test can act in the middle of a record, as if the kernel
// had preempted the writer there.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

namespace sluice::test {

/// Counts operations, on one thread. Runs `action` once, before the operation with the given number after stop_at().
class Steps {
 public:
  static void stop_at(std::uint64_t number, std::function<void()> action) {
    taken_ = 0;
    number_ = number;
    action_ = std::move(action);
  }

  /// Returns the number of operations since stop_at().
  static std::uint64_t taken() { return taken_; }

  static void step() {
    if (taken_++ != number_ || !action_) return;
    const std::function<void()> action = std::exchange(action_, nullptr);
    const std::uint64_t taken = taken_;
    action();
    taken_ = taken;
  }

 private:
  static inline std::uint64_t taken_ = 0;
  static inline std::uint64_t number_ = 0;
  static inline std::function<void()> action_;
};

template <class T>
class SteppingAtomic {
 public:
  [[nodiscard]] T load(std::memory_order order) const {
    Steps::step();
    return value_.load(order);
  }
  void store(T value, std::memory_order order) {
    Steps::step();
    value_.store(value, order);
  }

 private:
  std::atomic<T> value_{};
};

class SteppingCounter {
 public:
  [[nodiscard]] std::uint64_t get() const { return value_; }
  [[nodiscard]] std::uint64_t load_quiescent() const { return value_; }
  void set(std::uint64_t value) {
    Steps::step();
    value_ = value;
  }
  void add(std::uint64_t amount) { set(get() + amount); }
  void update_max(std::uint64_t value) {
    if (get() < value) set(value);
  }

 private:
  std::uint64_t value_ = 0;
};

struct SteppingAtomics {
  template <class T>
  using Atomic = SteppingAtomic<T>;
  using Counter = SteppingCounter;
};

}  // namespace sluice::test
