// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/request_interrupter.hpp"

#include <string>
#include <utility>

#include "adapters/wsgi/process/thread.hpp"

namespace sluice::daemon {

RequestInterrupter::RequestInterrupter(wsgi::Runtime& runtime) : runtime_(runtime), thread_([this] { run(); }) {}

void RequestInterrupter::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void RequestInterrupter::interrupt(const OverdueRequest& request) {
  {
    const std::lock_guard lock(mutex_);
    overdue_.push_back(request);
  }
  changed_.notify_all();
}

void RequestInterrupter::interrupt_now(const OverdueRequest& request, wsgi::ThreadContext& thread) {
  const std::vector<std::string> stack = runtime_.interrupt(*request.target, request.start_ns, request.thread, thread);
  if (stack.empty()) return;
  runtime_.host().log(
      LogLevel::kError,
      "SLC0956: request timeout exceeded. Injected RequestTimeout into thread of the request, whose stack follows");
  for (const std::string& line : stack) runtime_.host().log(LogLevel::kError, line);
}

void RequestInterrupter::run() {
  wsgi::ThreadContext thread(runtime_.host().recorder());
  while (true) {
    std::vector<OverdueRequest> overdue;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ending_ || !overdue_.empty(); });
      if (ending_) break;
      overdue = std::exchange(overdue_, {});
    }
    for (const OverdueRequest& request : overdue) interrupt_now(request, thread);
  }
  thread.end(true);
}

}  // namespace sluice::daemon
