// SPDX-License-Identifier: Apache-2.0
// A thread that delivers SIGHUP and SIGUSR2 to the application.
#pragma once

#include <atomic>
#include <thread>

#include "adapters/wsgi/process/runtime.hpp"

namespace sluice::daemon {

class SignalDispatcher {
 public:
  /// Makes the process note the signals from now on. Call it once, before any thread is created.
  static void install_handlers() noexcept;

  /// Starts the thread. Call it while Python runs. Throws std::system_error when no thread can be created.
  explicit SignalDispatcher(wsgi::Runtime& runtime);
  SignalDispatcher(const SignalDispatcher&) = delete;
  SignalDispatcher& operator=(const SignalDispatcher&) = delete;

  /// Ends the thread. Blocks while a subscriber runs. Call it before Python is stopped.
  void stop();

 private:
  void run();

  wsgi::Runtime& runtime_;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace sluice::daemon
