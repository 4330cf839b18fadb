// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/gil_watchdog.hpp"

#include <chrono>
#include <utility>

#include "adapters/wsgi/process/thread.hpp"
#include "adapters/wsgi/python/gil.hpp"
#include "sluice/clock.hpp"

namespace sluice::daemon {

GilWatchdog::GilWatchdog(wsgi::Runtime& runtime)
    : runtime_(runtime), last_acquired_ns_(monotonic_ns()), thread_([this] { run(); }) {}

void GilWatchdog::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void GilWatchdog::log_stack(unsigned long thread) {
  {
    const std::lock_guard lock(mutex_);
    stack_thread_ = thread;
  }
  changed_.notify_all();
}

/// The thread whose stack is stack_thread, or 0 after a second.
unsigned long GilWatchdog::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(1), [this] { return ending_ || stack_thread_ != 0; });
  return std::exchange(stack_thread_, 0);
}

bool GilWatchdog::ending() {
  const std::lock_guard lock(mutex_);
  return ending_;
}

void GilWatchdog::run() {
  wsgi::ThreadContext thread(runtime_.host().recorder());
  wsgi::Interpreter* const interpreter = runtime_.main_interpreter();
  PyThreadState* const state = interpreter != nullptr ? thread.state_in(interpreter->state()) : nullptr;
  while (state != nullptr) {
    const unsigned long stack_thread = wait();
    // A stack that was asked for before the end is logged first: the process ends because of that request.
    if (stack_thread == 0 && ending()) break;
    {
      const wsgi::WithGil locked(state);
      last_acquired_ns_.store(monotonic_ns(), std::memory_order_relaxed);
    }
    if (stack_thread == 0) continue;
    for (const std::string& line : runtime_.stack_of(stack_thread, thread)) runtime_.host().log(LogLevel::kError, line);
  }
  thread.end(true);
}

}  // namespace sluice::daemon
