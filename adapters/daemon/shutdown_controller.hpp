// SPDX-License-Identifier: Apache-2.0
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
#include "adapters/daemon/request_interrupter.hpp"
#include "adapters/daemon/signal_queue.hpp"
#include "adapters/telemetry/reporter.hpp"
#include "adapters/wsgi/python/script_request.hpp"
#include "bindings/host.hpp"
#include "sluice/log.hpp"

namespace sluice::daemon {

/// The value that the server's parent sends with SIGUSR1 when a new process has taken the place of this one.
inline constexpr int kReplacedSignalValue = 1;

/// The times of requests, in nanoseconds. 0: no limit, or no interruption.
struct RequestLimits {
  std::uint64_t request_ns;
  std::uint64_t interrupt_ns;
};

/// The action for the requests that have exceeded their time.
enum class OverdueAction : std::uint8_t { kNone, kInterrupt, kReplaceProcess };

/// The requests of the worker threads, as the limits of a process need to know them. Any thread may call any member.
class WorkerActivity {
 public:
  virtual ~WorkerActivity() = default;
  /// Returns the number of requests in flight.
  [[nodiscard]] virtual int active() const noexcept = 0;
  /// Returns the time at which the process began its first request or last ended one, in monotonic nanoseconds; 0
  /// before the first request. The end of a request that is no activity does not count.
  [[nodiscard]] virtual std::uint64_t last_active_ns() const noexcept = 0;
  /// Returns the number of requests, part of active(), that have been in flight for `limit_ns` at `now_ns`.
  [[nodiscard]] virtual int older_than(std::uint64_t limit_ns, std::uint64_t now_ns) const noexcept = 0;
  /// Returns a request that has been in flight for `limit_ns` at `now_ns`, and in `action` whether it is to be
  /// interrupted. That is so once for each request, unless `interrupt_ns` is 0; when it is still in flight after that
  /// time, it is stuck. Only watch() calls it.
  virtual OverdueRequest overdue(const RequestLimits& limits, std::uint64_t now_ns, OverdueAction& action) noexcept = 0;
};

class ShutdownController final : public wsgi::LoadListener {
 public:
  /// The ways to end a process, the most urgent last.
  enum class Stop : std::uint8_t {
    kDrain,  ///< Close when no request is in flight, or when the grace is over.
    kClose,  ///< Accept nothing from now on, and finish the requests in flight within the grace.
    kEnd,    ///< Accept nothing from now on, and finish within the shutdown timeout.
  };

  /// A null `heartbeat` is allowed; then the parent cannot notice that the process has stopped running.
  ShutdownController(const DaemonOptions& options, const bindings::Host& host, Heartbeat* heartbeat) noexcept;

  /// Blocks the signals that watch() waits for. For the thread that forks the process, so that none is lost.
  static void block_signals() noexcept;
  /// Makes the process note these signals from now on, and unblocks all signals. Call it before any thread is created.
  static void install_handlers(const DaemonOptions& options) noexcept;

  /// Installs the handlers again that other code has replaced. Any thread may call it.
  static void keep_handlers() noexcept;

  /// Requests the end. The first reason is kept; a more urgent way to end replaces a less urgent one. Any thread may
  /// call it. `reason` is a literal.
  void stop(Stop how, const char* reason) noexcept;

  /// Waits for signals and checks the limits for the whole life of the process, and ends the process when its end takes
  /// too long. Does not return. Needs a thread of its own.
  void watch(WorkerActivity& activity) noexcept;

  /// Makes watch() check the GIL. Null ends that.
  void set_gil_watchdog(GilWatchdog* gil_watchdog) noexcept {
    gil_watchdog_.store(gil_watchdog, std::memory_order_release);
  }

  /// Makes watch() interrupt requests that exceed their time. Null ends that.
  void set_interrupter(RequestInterrupter* interrupter) noexcept {
    interrupter_.store(interrupter, std::memory_order_release);
  }

  /// Makes watch() check the listener. Call it before watch(); null when the process has no listener.
  void watch_listener(const ListenerCheck* listener) noexcept { listener_ = listener; }

  /// Returns true when a signal that ends the process has arrived. For a process in which watch() does not run.
  [[nodiscard]] static bool end_signalled() noexcept;

  /// Sends SIGTERM to a thread when the process closes, so that its blocking call returns. A default pthread_t ends
  /// that. Sequentially consistent, as the accesses in watch() and closing() are: either the caller sees afterwards
  /// that the process is closing, or watch() sees the thread.
  void interrupt_at_close(pthread_t thread) noexcept { interrupted_.store(thread, std::memory_order_seq_cst); }

  /// Requests the end because no connection can be accepted any more, and logs that once. Any thread may call it.
  void lose_listener(const char* why) noexcept;

  /// Sets the reporter that is stopped when the process is ended by force. Null is allowed.
  void report_to(telemetry::Reporter* reporter) noexcept { reporter_.store(reporter, std::memory_order_release); }

  /// Makes the watching thread check again at once, because the activity has changed. Any thread may call it.
  void wake() noexcept;

  /// Returns true when no more requests are to be accepted.
  [[nodiscard]] bool closing() const noexcept { return closing_.load(std::memory_order_seq_cst); }
  [[nodiscard]] const char* reason() const noexcept { return reason_.load(std::memory_order_acquire); }

  /// Blocks until the process is to close.
  void wait_for_closing() noexcept;
  /// Blocks until no request is in flight, at most for the grace of the requests.
  void wait_for_requests(const WorkerActivity& activity) noexcept;
  /// Records for the parent that the application has answered a request.
  void served() noexcept {
    // Not stored again for each request, because the heartbeat is memory that the parent shares.
    if (!served_.load(std::memory_order_relaxed)) record_service();
  }
  /// Starts the startup timeout when the first request has to load its script. A script that fails to load does not
  /// restart it.
  void loading() noexcept override;
  /// Meets the startup timeout for the rest of the process.
  void loaded() noexcept override {
    // Not stored again for each request, because all worker threads read it.
    if (!loaded_.load(std::memory_order_relaxed)) loaded_.store(true, std::memory_order_relaxed);
  }

 private:
  void record_service() noexcept;
  void on_signals(const SignalQueue::Arrivals& arrivals) noexcept;
  void repair_handlers() noexcept;
  [[nodiscard]] bool gil_stuck(const GilWatchdog* gil_watchdog, std::uint64_t now_ns) noexcept;
  void check_limits(WorkerActivity& activity, std::uint64_t now_ns) noexcept;
  [[nodiscard]] bool request_stuck(WorkerActivity& activity, GilWatchdog* gil_watchdog, std::uint64_t now_ns) noexcept;
  [[nodiscard]] bool due_to_close(const WorkerActivity& activity, std::uint64_t now_ns) const noexcept;
  [[nodiscard]] bool worth_waiting(const WorkerActivity& activity, std::uint64_t now_ns) const noexcept;
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
  const RequestLimits request_limits_;   ///< The request timeout is scaled by the number of threads.
  std::atomic<const char*> reason_{""};  ///< A literal; empty until an end is requested.
  std::atomic<int> requested_stop_{-1};  ///< A value of Stop; -1 until an end is requested.
  std::atomic<std::uint64_t> requested_ns_{0};
  std::atomic<bool> closing_{false};
  std::atomic<pthread_t> interrupted_{};
  std::atomic<bool> served_{false};
  /// Start of the first load by a request; 0 before. Relaxed like loaded_, because neither publishes other data.
  std::atomic<std::uint64_t> loading_ns_{0};
  std::atomic<bool> loaded_{false};
  std::atomic<GilWatchdog*> gil_watchdog_{nullptr};
  std::atomic<RequestInterrupter*> interrupter_{nullptr};
  std::atomic<telemetry::Reporter*> reporter_{nullptr};
  StallDetector gil_stall_{};  ///< Only watch() uses it.
  std::uint64_t last_check_ns_ = 0;
  bool handlers_replaced_ = false;  ///< The application has replaced a handler, which has been logged.
};

}  // namespace sluice::daemon
