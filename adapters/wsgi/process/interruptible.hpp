// SPDX-License-Identifier: Apache-2.0
// The request of one thread, as another thread that interrupts it needs to know it.
#pragma once

#include <Python.h>

#include <atomic>
#include <cstdint>

#include "bindings/critical_section.hpp"

namespace sluice::wsgi {

class Interpreter;

/// One object for each thread that serves requests; it outlives the thread.
///
/// The request is inside an interpreter exactly while interpreter() is not null, and both changes are made with the GIL
/// of that interpreter. A thread that holds the same GIL and reads that interpreter therefore knows that the request
/// stays inside until it releases the GIL. Any other value that it reads is of no use to it. Without a GIL, the changes
/// and interrupt() are critical sections, and nothing inside them waits.
class Interruptible {
 public:
  /// Holds the request inside an interpreter for a scope, within which the thread has the GIL at the beginning and at
  /// the end. Null is allowed, and does nothing.
  class Scope {
   public:
    Scope(Interruptible* target, Interpreter& interpreter, std::uint64_t request_ns) noexcept : target_(target) {
      if (target_ == nullptr) return;
      const bindings::CriticalSection section(target_->mutex_);
      target_->request_ns_ = request_ns;
      target_->interpreter_.store(&interpreter, std::memory_order_release);
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    /// Withdraws an exception that the thread has not raised yet, because the next request must not raise it.
    ~Scope() {
      if (target_ == nullptr) return;
      const bindings::CriticalSection section(target_->mutex_);
      target_->interpreter_.store(nullptr, std::memory_order_release);
      if (!target_->interrupted_) return;
      target_->interrupted_ = false;
      PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), nullptr);
    }

   private:
    Interruptible* target_;
  };

  /// Returns the interpreter that the request is inside; null when it is inside none.
  [[nodiscard]] Interpreter* interpreter() const noexcept { return interpreter_.load(std::memory_order_acquire); }

  /// Makes the thread raise `exception` in the request that a worker began at `request_ns`. Returns false when that
  /// request is over. The caller holds the GIL of `interpreter`.
  bool interrupt(const Interpreter& interpreter, std::uint64_t request_ns, unsigned long thread, PyObject* exception) {
    const bindings::CriticalSection section(mutex_);
    if (this->interpreter() != &interpreter || request_ns_ != request_ns) return false;
    interrupted_ = PyThreadState_SetAsyncExc(thread, exception) > 0;
    return interrupted_;
  }

 private:
  std::atomic<Interpreter*> interpreter_{nullptr};
  std::uint64_t request_ns_ = 0;  ///< Guarded by the GIL of interpreter_, as interrupted_ is.
  bool interrupted_ = false;
  [[no_unique_address]] bindings::SectionMutex mutex_;
};

}  // namespace sluice::wsgi
