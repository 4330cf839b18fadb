// A thread that tells the application of the signals that are its own: SIGHUP and SIGUSR2.
#pragma once

#include <atomic>
#include <thread>

#include "adapters/wsgi/process/runtime.hpp"

namespace sluice::daemon {

class SignalDispatcher {
 public:
  /// Blocks the signals, for the calling thread and those that it makes.
  static void block_signals() noexcept;

  /// Python runs. Throws std::system_error if there can be no thread.
  explicit SignalDispatcher(wsgi::Runtime& runtime);
  SignalDispatcher(const SignalDispatcher&) = delete;
  SignalDispatcher& operator=(const SignalDispatcher&) = delete;

  /// Ends the thread; blocks as long as a subscriber runs. Before Python is stopped.
  void stop();

 private:
  void run();

  wsgi::Runtime& runtime_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace sluice::daemon
