// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/signals.hpp"

#include "adapters/daemon/signal_queue.hpp"
#include "adapters/wsgi/process/thread.hpp"

namespace sluice::daemon {
namespace {

constinit SignalQueue dispatched{SIGHUP, SIGUSR2};
constexpr timespec kTick = {1, 0};

}  // namespace

void SignalDispatcher::install_handlers() noexcept { dispatched.install(false); }

SignalDispatcher::SignalDispatcher(wsgi::Runtime& runtime) : runtime_(runtime), thread_([this] { run(); }) {}

void SignalDispatcher::stop() {
  ending_.store(true, std::memory_order_release);
  dispatched.wake();
  thread_.join();
}

void SignalDispatcher::run() {
  wsgi::ThreadContext thread(runtime_.host().recorder());
  while (!ending_.load(std::memory_order_acquire)) {
    const SignalQueue::Arrivals arrivals = dispatched.wait(kTick);
    if (arrivals.has(SIGHUP)) runtime_.publish_signal("SIGHUP", SIGHUP, thread);
    if (arrivals.has(SIGUSR2)) runtime_.publish_signal("SIGUSR2", SIGUSR2, thread);
    // Code of the application can replace the handlers in ways that the guard of its signal module does not see.
    dispatched.repair();
  }
  thread.end(true);
}

}  // namespace sluice::daemon
