// SPDX-License-Identifier: Apache-2.0
// A thread that raises RequestTimeout in requests that have exceeded their time. It is not the GilWatchdog, because
// that waits for the GIL of the main interpreter: Python 3.11 does not take it from a thread that computes in another
// interpreter.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "adapters/wsgi/process/runtime.hpp"

namespace sluice::daemon {

/// A request that has exceeded its time.
struct OverdueRequest {
  wsgi::Interruptible* target;
  std::uint64_t start_ns;
  unsigned long thread;  ///< Python's identifier of the thread.
};

class RequestInterrupter {
 public:
  /// Starts the thread. Call it while Python runs. Throws std::system_error when no thread can be created.
  explicit RequestInterrupter(wsgi::Runtime& runtime);
  RequestInterrupter(const RequestInterrupter&) = delete;
  RequestInterrupter& operator=(const RequestInterrupter&) = delete;

  /// Ends the thread. Blocks until the thread can acquire a GIL that it waits for. Call it before Python is stopped.
  void stop();

  /// Requests that RequestTimeout is raised in a request as soon as its GIL can be acquired, and that its stack is
  /// logged. Any thread may call it.
  void interrupt(const OverdueRequest& request);

 private:
  void run();
  void interrupt_now(const OverdueRequest& request, wsgi::ThreadContext& thread);

  wsgi::Runtime& runtime_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<OverdueRequest> overdue_;  ///< Guarded by mutex_, as ending_ is.
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace sluice::daemon
