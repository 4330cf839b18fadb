// SPDX-License-Identifier: Apache-2.0
// A thread that acquires the GIL of the main interpreter once a second. The time of the last success shows whether
// Python is stuck, and the thread can log the stack of another one. Without a GIL it attaches itself to the
// interpreter, which it cannot while Python stops all threads: one that does not let itself be stopped is noticed in
// this way.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "adapters/wsgi/process/runtime.hpp"

namespace sluice::daemon {

class GilWatchdog {
 public:
  /// Starts the thread. Call it while Python runs. Throws std::system_error when no thread can be created.
  explicit GilWatchdog(wsgi::Runtime& runtime);
  GilWatchdog(const GilWatchdog&) = delete;
  GilWatchdog& operator=(const GilWatchdog&) = delete;

  /// Ends the thread, after it has logged a stack that was requested before. Blocks until the thread can acquire the
  /// GIL. Call it before Python is stopped.
  void stop();

  /// Returns the time at which the thread last acquired the GIL, in monotonic nanoseconds.
  [[nodiscard]] std::uint64_t last_acquired_ns() const noexcept {
    return last_acquired_ns_.load(std::memory_order_relaxed);
  }

  /// Requests that the Python stack of a thread is logged as soon as the GIL can be acquired. Any thread may call it.
  void log_stack(unsigned long thread);

 private:
  void run();
  [[nodiscard]] unsigned long wait();
  [[nodiscard]] bool ending();

  wsgi::Runtime& runtime_;
  std::atomic<std::uint64_t> last_acquired_ns_;
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned long stack_thread_ = 0;  ///< The thread whose stack is to be logged; 0 when none is.
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace sluice::daemon
