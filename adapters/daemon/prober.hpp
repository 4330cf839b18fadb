// A thread that takes the lock of the main interpreter once a second: so it is known that Python is not stuck, and
// there is somebody to ask where a thread is.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "adapters/wsgi/process/runtime.hpp"

namespace sluice::daemon {

class Prober {
 public:
  /// Python runs. Throws std::system_error if there can be no thread.
  explicit Prober(wsgi::Runtime& runtime);
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  /// Ends the thread; blocks as long as it cannot have the lock. Before Python is stopped.
  void stop();

  /// When the thread last had the lock, in monotonic nanoseconds.
  [[nodiscard]] std::uint64_t seen_ns() const noexcept { return seen_ns_.load(std::memory_order_relaxed); }

  /// Has the Python stack of a thread logged, as soon as the lock can be had. Any thread.
  void report_stack(unsigned long thread);

 private:
  void run();
  [[nodiscard]] unsigned long wait();

  wsgi::Runtime& runtime_;
  std::atomic<std::uint64_t> seen_ns_;
  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned long wanted_ = 0;  ///< The thread whose stack is to be logged; 0: none.
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace sluice::daemon
