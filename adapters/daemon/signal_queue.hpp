// SPDX-License-Identifier: Apache-2.0
// Signals of a daemon process that one of its threads waits for. They are neither blocked nor ignored in any thread
// that runs Python, because a process that the application starts inherits both and could not be ended then. Handlers
// note the signals instead: execve() resets handlers, whichever call created the process (fork, vfork, posix_spawn,
// system). The kernel prefers the main thread, which waits in this project's code, so the threads of the application
// are hardly ever interrupted.
#pragma once

#include <semaphore.h>
#include <signal.h>
#include <time.h>

#include <atomic>
#include <cstdint>
#include <initializer_list>

namespace sluice::daemon {

/// One object for each waiting thread; it is never destroyed. All accesses to the noted signals are lock-free, so that
/// the handler may make them.
class SignalQueue {
 public:
  struct Arrivals {
    std::uint64_t signals = 0;  ///< One bit for each signal.
    bool with_value = false;    ///< One of them was sent by sigqueue() with a value other than 0.

    [[nodiscard]] bool has(int signal) const noexcept { return (signals >> signal & 1) != 0; }
  };

  constexpr SignalQueue(std::initializer_list<int> signals) noexcept {
    for (const int signal : signals) signals_ |= std::uint64_t{1} << signal;
  }

  /// Blocks the signals in the calling thread, so that none is lost before install().
  void block() const noexcept;

  /// Installs the handlers and unblocks all signals in the calling thread. Call it once, before any thread is created.
  /// With `interrupt_calls`, a signal ends blocking calls of the main thread instead of restarting them.
  void install(bool interrupt_calls) noexcept;

  /// Installs the handlers again where code of the application has replaced them. Returns true when it had.
  bool repair() noexcept;

  /// Returns the signals that have arrived since the last call; waits for one, or wake(), until `timeout` has passed.
  [[nodiscard]] Arrivals wait(const timespec& timeout) noexcept;

  /// Ends a wait(). Any thread and any signal handler may call it.
  void wake() noexcept { ::sem_post(&arrived_); }

  /// Sets a function that is called in the handler with each signal of any queue. It must be async-signal-safe.
  static void observe(void (*observer)(int)) noexcept;

 private:
  static void handle(int signal, siginfo_t* info, void*) noexcept;
  void set_action(int signal) noexcept;

  std::uint64_t signals_ = 0;
  int flags_ = 0;
  std::atomic<std::uint64_t> noted_{0};  ///< Bit 0: a signal had a value.
  sem_t arrived_{};
};

/// Sets the dispositions of a new daemon process: the default for each signal that the server handles or ignores. Those
/// that must not end the process get a handler that does nothing, which children do not inherit.
void reset_dispositions() noexcept;

}  // namespace sluice::daemon
