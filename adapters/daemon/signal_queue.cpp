// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/signal_queue.hpp"

#include <pthread.h>

#include <array>
#include <cerrno>

#include "adapters/wsgi/python/forked_copy.hpp"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::daemon {
namespace {

constexpr int kSignals = 64;
constexpr std::uint64_t kValue = 1;

constexpr std::uint64_t bit(int signal) noexcept { return std::uint64_t{1} << signal; }

/// The queue of each signal. Written before its handler is installed; sigaction() orders that before the handler runs.
constinit std::array<SignalQueue*, kSignals> queues{};
constinit std::atomic<void (*)(int)> signal_observer{nullptr};

void do_nothing(int) noexcept {}

void set_handler(int signal, void (*handler)(int)) noexcept {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

void SignalQueue::observe(void (*observer)(int)) noexcept {
  signal_observer.store(observer, std::memory_order_release);
}

void SignalQueue::handle(int signal, siginfo_t* info, void*) noexcept {
  if (wsgi::ForkedCopy::is_this()) {
    // This is a process that the application forked without exec, so the signal has its default effect. It is blocked
    // until this handler returns.
    set_handler(signal, SIG_DFL);
    ::raise(signal);
    return;
  }
  const int error = errno;
  SignalQueue& queue = *queues[static_cast<std::size_t>(signal)];
  const bool valued = info->si_code == SI_QUEUE && info->si_value.sival_int != 0;
  // Release: pairs with the exchange in wait(), although sem_post() and sem_clockwait() order the two as well.
  queue.noted_.fetch_or(bit(signal) | (valued ? kValue : 0), std::memory_order_release);
  queue.wake();
  if (auto* const observer = signal_observer.load(std::memory_order_acquire)) observer(signal);
  errno = error;
}

void SignalQueue::set_action(int signal) noexcept {
  struct sigaction action {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | flags_;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(signal, &action, nullptr);
}

void SignalQueue::block() const noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  for (int signal = 1; signal < kSignals; ++signal) {
    if ((signals_ & bit(signal)) != 0) ::sigaddset(&set, signal);
  }
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void SignalQueue::install(bool interrupt_calls) noexcept {
  ::sem_init(&arrived_, 0, 0);
  flags_ = interrupt_calls ? 0 : SA_RESTART;
  for (int signal = 1; signal < kSignals; ++signal) {
    if ((signals_ & bit(signal)) == 0) continue;
    queues[static_cast<std::size_t>(signal)] = this;
    set_action(signal);
  }
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

bool SignalQueue::repair() noexcept {
  bool replaced = false;
  for (int signal = 1; signal < kSignals; ++signal) {
    if ((signals_ & bit(signal)) == 0) continue;
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) != 0 || action.sa_sigaction == handle) continue;
    set_action(signal);
    replaced = true;
  }
  return replaced;
}

SignalQueue::Arrivals SignalQueue::wait(const timespec& timeout) noexcept {
  const std::uint64_t until_ns = monotonic_ns() + static_cast<std::uint64_t>(timeout.tv_sec) * kNsPerSecond +
                                 static_cast<std::uint64_t>(timeout.tv_nsec);
  const timespec until = {static_cast<time_t>(until_ns / kNsPerSecond), static_cast<long>(until_ns % kNsPerSecond)};
  while (::sem_clockwait(&arrived_, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR) {
  }
  const std::uint64_t noted = noted_.exchange(0, std::memory_order_acquire);
  return {.signals = noted & ~kValue, .with_value = (noted & kValue) != 0};
}

void reset_dispositions() noexcept {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) set_handler(signal, SIG_DFL);
  }
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGCHLD, SIGWINCH, SIGALRM}) set_handler(signal, SIG_DFL);
  // SIGHUP and SIGUSR2 belong to the application when it subscribes to them, and must not end the process before that.
  for (const int signal : {SIGPIPE, SIGXFSZ, SIGHUP, SIGUSR2}) set_handler(signal, do_nothing);
}

}  // namespace sluice::daemon
