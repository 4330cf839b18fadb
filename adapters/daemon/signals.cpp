#include "adapters/daemon/signals.hpp"

#include <pthread.h>
#include <signal.h>

#include "adapters/wsgi/process/thread.hpp"

namespace sluice::daemon {
namespace {

/// The signal that makes the thread check whether it is to end.
constexpr int kWake = SIGURG;

sigset_t dispatched() noexcept {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGHUP, SIGUSR2}) ::sigaddset(&signals, signal);
  return signals;
}

}  // namespace

void SignalDispatcher::block_signals() noexcept {
  const sigset_t signals = dispatched();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

SignalDispatcher::SignalDispatcher(wsgi::Runtime& runtime) : runtime_(runtime), thread_([this] { run(); }) {}

void SignalDispatcher::stop() {
  ending_.store(true, std::memory_order_release);
  ::pthread_kill(thread_.native_handle(), kWake);
  thread_.join();
}

void SignalDispatcher::run() {
  wsgi::ThreadContext thread(runtime_.host().recorder());
  sigset_t signals = dispatched();
  ::sigaddset(&signals, kWake);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  while (!ending_.load(std::memory_order_acquire)) {
    // The wait is bounded, because kWake may arrive before it is blocked.
    const timespec second = {1, 0};
    const int signal = ::sigtimedwait(&signals, nullptr, &second);
    if (signal == SIGHUP) runtime_.publish_signal("SIGHUP", signal, thread);
    if (signal == SIGUSR2) runtime_.publish_signal("SIGUSR2", signal, thread);
  }
  thread.end(true);
}

}  // namespace sluice::daemon
