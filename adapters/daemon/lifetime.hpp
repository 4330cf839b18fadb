// When a daemon process ends, and why: signals, limits of time and number, and a parent that is gone.
//
//   running    requests are accepted
//   draining   the process is to be replaced: requests are still accepted, until none is in flight or the grace is over
//   closing    no request is accepted any more; those in flight are waited for
//   ending     Python is told and ended, within the shutdown timeout, whatever it does
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <string>

#include "adapters/daemon/daemon_options.hpp"
#include "adapters/daemon/gil_watchdog.hpp"
#include "adapters/daemon/heartbeat.hpp"
#include "adapters/daemon/listener.hpp"
#include "adapters/telemetry/reporter.hpp"
#include "bindings/host.hpp"

namespace sluice::daemon {

/// What the end of a process depends on. Any thread.
class Load {
 public:
  virtual ~Load() = default;
  /// Requests that are being served.
  [[nodiscard]] virtual int active() const noexcept = 0;
  /// When the process last began or ended a request; monotonic nanoseconds.
  [[nodiscard]] virtual std::uint64_t last_active_ns() const noexcept = 0;
  /// When the request began that has been in flight for longest; 0: none.
  [[nodiscard]] virtual std::uint64_t oldest_start_ns() const noexcept = 0;
  /// The thread that serves it, as Python knows it.
  [[nodiscard]] virtual unsigned long oldest_thread() const noexcept = 0;
};

class Lifetime {
 public:
  /// How a process is asked to end.
  enum class Stop : std::uint8_t {
    kDrain,  ///< When it has nothing to do, or after the grace.
    kClose,  ///< It accepts nothing from now on, and finishes what it has within the grace.
    kEnd,    ///< The same within the shutdown timeout.
  };

  /// The heartbeat may be null: then nobody looks.
  Lifetime(const DaemonOptions& options, const bindings::Host& host, Heartbeat* heartbeat) noexcept;

  /// Blocks the signals that watch() waits for. Before any thread is made.
  static void block_signals() noexcept;

  /// Asks for the end. The first reason counts; a more urgent way of ending replaces a less urgent one. Any thread.
  void stop(Stop how, const char* reason) noexcept;

  /// Waits for signals and watches over the limits as long as the process lives; ends it when its end takes too long.
  /// Does not return. On a thread of its own.
  void watch(const Load& load) noexcept;

  /// From here on Python is watched, too. Null ends that.
  void set_gil_watchdog(GilWatchdog* gil_watchdog) noexcept {
    gil_watchdog_.store(gil_watchdog, std::memory_order_release);
  }

  /// Has the listener looked at. Before watch(); null where there is none.
  void watch_listener(const ListenerCheck* listener) noexcept { listener_ = listener; }

  /// Asks for the end because no connection can be accepted any more, with one line in the log. Any thread.
  void lose_listener(const char* why) noexcept;

  /// Is told of an end by force. May be null.
  void report_to(telemetry::Reporter* reporter) noexcept { reporter_.store(reporter, std::memory_order_release); }

  /// Tells the watching thread that the load has changed.
  void look_again() noexcept;

  /// No request is to be accepted.
  [[nodiscard]] bool closing() const noexcept { return closing_.load(std::memory_order_acquire); }
  [[nodiscard]] const char* reason() const noexcept { return reason_.load(std::memory_order_acquire); }

  /// Waits until the process is to close.
  void wait_for_closing() noexcept;
  /// Waits until no request is in flight, at most as long as their grace.
  void wait_for_requests(const Load& load) noexcept;
  /// The application has been loaded, or a request served: the startup timeout is met.
  void started() noexcept;

 private:
  void take_signal(int signal, int value) noexcept;
  [[nodiscard]] bool gil_stuck(const GilWatchdog* gil_watchdog, std::uint64_t now_ns) noexcept;
  void check_limits(const Load& load, std::uint64_t now_ns) noexcept;
  [[nodiscard]] bool due_to_close(const Load& load, std::uint64_t now_ns) const noexcept;
  void enforce_end(std::uint64_t now_ns) const noexcept;
  [[nodiscard]] std::uint64_t grace_ns() const noexcept;
  void log(bindings::LogLevel level, const std::string& what) const noexcept;

  const DaemonOptions& options_;
  const bindings::Host& host_;
  Heartbeat* const heartbeat_;
  const ListenerCheck* listener_ = nullptr;
  std::atomic<bool> listener_lost_{false};
  const int parent_;
  const std::uint64_t started_ns_;
  std::atomic<const char*> reason_{""};  ///< Literals.
  std::atomic<int> how_{-1};             ///< A Stop; -1: none asked for.
  std::atomic<std::uint64_t> asked_ns_{0};
  std::atomic<bool> closing_{false};
  std::atomic<bool> started_{false};
  std::atomic<pthread_t> watcher_{};
  std::atomic<GilWatchdog*> gil_watchdog_{nullptr};
  std::atomic<telemetry::Reporter*> reporter_{nullptr};
  StallDetector python_{};  ///< Used by watch() alone.
  std::uint64_t looked_ns_ = 0;
};

}  // namespace sluice::daemon
