// The end of a daemon process, and its reason: signals, limits of time and number, and the end of the server's parent.
//
//   running    the process accepts requests
//   draining   the process is to be replaced; it accepts requests until none is in flight or the grace is over
//   closing    the process accepts no more requests and waits for those in flight
//   ending     Python is stopped, within the shutdown timeout
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <string_view>

#include "adapters/daemon/daemon_options.hpp"
#include "adapters/daemon/gil_watchdog.hpp"
#include "adapters/daemon/heartbeat.hpp"
#include "adapters/daemon/listener.hpp"
#include "adapters/telemetry/reporter.hpp"
#include "bindings/host.hpp"
#include "sluice/log.hpp"

namespace sluice::daemon {

/// The value that the server's parent sends with SIGUSR1 when a new process has taken the place of this one.
inline constexpr int kReplacedSignalValue = 1;

/// The requests of the worker threads, as the limits of a process need to know them. Any thread may call any member.
class WorkerActivity {
 public:
  virtual ~WorkerActivity() = default;
  /// Returns the number of requests in flight.
  [[nodiscard]] virtual int active() const noexcept = 0;
  /// Returns the time at which the process last began or ended a request, in monotonic nanoseconds.
  [[nodiscard]] virtual std::uint64_t last_active_ns() const noexcept = 0;
  /// Returns the start of the request that has been in flight for longest, in monotonic nanoseconds; 0 when idle.
  [[nodiscard]] virtual std::uint64_t oldest_start_ns() const noexcept = 0;
  /// Returns the thread that serves that request, as Python identifies it; 0 when idle.
  [[nodiscard]] virtual unsigned long oldest_thread() const noexcept = 0;
};

class ShutdownController {
 public:
  /// The ways to end a process, the most urgent last.
  enum class Stop : std::uint8_t {
    kDrain,  ///< Close when no request is in flight, or when the grace is over.
    kClose,  ///< Accept nothing from now on, and finish the requests in flight within the grace.
    kEnd,    ///< Accept nothing from now on, and finish within the shutdown timeout.
  };

  /// A null `heartbeat` is allowed; then the parent cannot notice that the process has stopped running.
  ShutdownController(const DaemonOptions& options, const bindings::Host& host, Heartbeat* heartbeat) noexcept;

  /// Blocks the signals that watch() waits for. Call it before any thread is created.
  static void block_signals() noexcept;

  /// Requests the end. The first reason is kept; a more urgent way to end replaces a less urgent one. Any thread may
  /// call it. `reason` is a literal.
  void stop(Stop how, const char* reason) noexcept;

  /// Waits for signals and checks the limits for the whole life of the process, and ends the process when its end takes
  /// too long. Does not return. Needs a thread of its own.
  void watch(const WorkerActivity& activity) noexcept;

  /// Makes watch() check the GIL. Null ends that.
  void set_gil_watchdog(GilWatchdog* gil_watchdog) noexcept {
    gil_watchdog_.store(gil_watchdog, std::memory_order_release);
  }

  /// Makes watch() check the listener. Call it before watch(); null when the process has no listener.
  void watch_listener(const ListenerCheck* listener) noexcept { listener_ = listener; }

  /// Requests the end because no connection can be accepted any more, and logs that once. Any thread may call it.
  void lose_listener(const char* why) noexcept;

  /// Sets the reporter that is stopped when the process is ended by force. Null is allowed.
  void report_to(telemetry::Reporter* reporter) noexcept { reporter_.store(reporter, std::memory_order_release); }

  /// Makes the watching thread check again at once, because the activity has changed. Any thread may call it.
  void wake() noexcept;

  /// Returns true when no more requests are to be accepted.
  [[nodiscard]] bool closing() const noexcept { return closing_.load(std::memory_order_acquire); }
  [[nodiscard]] const char* reason() const noexcept { return reason_.load(std::memory_order_acquire); }

  /// Blocks until the process is to close.
  void wait_for_closing() noexcept;
  /// Blocks until no request is in flight, at most for the grace of the requests.
  void wait_for_requests(const WorkerActivity& activity) noexcept;
  /// Records that the application has answered a request, which meets the startup timeout.
  void started() noexcept {
    // Not stored again for each request, because the heartbeat is memory that the parent shares.
    if (!started_.load(std::memory_order_relaxed)) record_start();
  }

 private:
  void record_start() noexcept;
  void on_signal(int signal, int value) noexcept;
  [[nodiscard]] bool gil_stuck(const GilWatchdog* gil_watchdog, std::uint64_t now_ns) noexcept;
  void check_limits(const WorkerActivity& activity, std::uint64_t now_ns) noexcept;
  [[nodiscard]] bool due_to_close(const WorkerActivity& activity, std::uint64_t now_ns) const noexcept;
  void enforce_end(std::uint64_t now_ns) const noexcept;
  [[nodiscard]] std::uint64_t grace_ns() const noexcept;
  void log(LogLevel level, std::string_view event, std::string_view consequence) const noexcept;

  const DaemonOptions& options_;
  const bindings::Host& host_;
  Heartbeat* const heartbeat_;
  const ListenerCheck* listener_ = nullptr;
  std::atomic<bool> listener_lost_{false};
  const int parent_;
  const std::uint64_t started_ns_;
  std::atomic<const char*> reason_{""};  ///< A literal; empty until an end is requested.
  std::atomic<int> requested_stop_{-1};  ///< A value of Stop; -1 until an end is requested.
  std::atomic<std::uint64_t> requested_ns_{0};
  std::atomic<bool> closing_{false};
  std::atomic<bool> started_{false};
  std::atomic<pthread_t> watcher_{};
  std::atomic<GilWatchdog*> gil_watchdog_{nullptr};
  std::atomic<telemetry::Reporter*> reporter_{nullptr};
  StallDetector gil_stall_{};  ///< Only watch() uses it.
  std::uint64_t last_check_ns_ = 0;
};

}  // namespace sluice::daemon
