#include "adapters/daemon/prober.hpp"

#include <chrono>
#include <utility>

#include "adapters/wsgi/process/thread.hpp"
#include "adapters/wsgi/python/gil.hpp"
#include "sluice/clock.hpp"

namespace sluice::daemon {

using bindings::LogLevel;

Prober::Prober(wsgi::Runtime& runtime) : runtime_(runtime), seen_ns_(monotonic_ns()), thread_([this] { run(); }) {}

void Prober::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Prober::report_stack(unsigned long thread) {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = thread;
  }
  changed_.notify_all();
}

/// The thread whose stack is wanted, or 0 after a second.
unsigned long Prober::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::seconds(1), [this] { return ending_ || wanted_ != 0; });
  return std::exchange(wanted_, 0);
}

void Prober::run() {
  wsgi::ThreadContext thread(runtime_.host().recorder());
  wsgi::Interpreter* const interpreter = runtime_.main_interpreter();
  PyThreadState* const state = interpreter != nullptr ? thread.state_in(interpreter->state()) : nullptr;
  while (state != nullptr) {
    const unsigned long wanted = wait();
    {
      const std::lock_guard lock(mutex_);
      if (ending_) break;
    }
    {
      const wsgi::WithGil locked(state);
      seen_ns_.store(monotonic_ns(), std::memory_order_relaxed);
    }
    if (wanted == 0) continue;
    for (const std::string& line : runtime_.stack_of(wanted, thread)) runtime_.host().log(LogLevel::kError, line);
  }
  thread.end(true);
}

}  // namespace sluice::daemon
