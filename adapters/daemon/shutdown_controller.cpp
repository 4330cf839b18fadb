// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/shutdown_controller.hpp"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "adapters/daemon/time_limits.hpp"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::daemon {

namespace {

/// The pause between checks: half a second, so that a process without its listener is replaced within a second.
constexpr timespec kTick = {0, 500'000'000};
/// A longer pause between two checks means that the process itself did not run.
constexpr std::uint64_t kTickMostNs = 5 * kNsPerSecond / 2;
constexpr timespec kShortTick = {0, 20'000'000};

constinit SignalQueue watched{SIGTERM, SIGINT, SIGUSR1, SIGWINCH, SIGXCPU};

std::uint64_t seconds(int count) noexcept { return static_cast<std::uint64_t>(count) * kNsPerSecond; }

std::uint64_t request_limit_ns(const DaemonOptions& options) noexcept {
  return static_cast<std::uint64_t>(request_limit_seconds(options) * kNsPerSecond);
}

}  // namespace

ShutdownController::ShutdownController(const DaemonOptions& options, const bindings::Host& host,
                                       Heartbeat* heartbeat) noexcept
    : options_(options),
      host_(host),
      heartbeat_(heartbeat),
      parent_(::getppid()),
      started_ns_(monotonic_ns()),
      request_limits_{.request_ns = request_limit_ns(options), .interrupt_ns = seconds(options.interrupt_timeout)} {}

void ShutdownController::block_signals() noexcept { watched.block(); }

void ShutdownController::install_handlers(const DaemonOptions& options) noexcept {
  // A service script waits in calls that its end has to interrupt.
  watched.install(!options.serves());
}

void ShutdownController::keep_handlers() noexcept { watched.repair(); }

bool ShutdownController::end_signalled() noexcept {
  const SignalQueue::Arrivals arrivals = watched.wait({});
  return arrivals.has(SIGTERM) || arrivals.has(SIGINT) || arrivals.has(SIGUSR1);
}

void ShutdownController::log(LogLevel level, std::string_view event, std::string_view consequence) const noexcept {
  const std::string line =
      absl::StrCat(std::string(event), " in daemon process '", options_.name, "'; ", std::string(consequence));
  host_.log(level, line);
}

void ShutdownController::stop(Stop how, const char* reason) noexcept {
  const char* none = reason_.load(std::memory_order_relaxed);
  if (*none == '\0') reason_.compare_exchange_strong(none, reason, std::memory_order_release);
  int before = requested_stop_.load(std::memory_order_relaxed);
  while (before < static_cast<int>(how)) {
    // The time is stored first, so that a thread that reads the request also reads its time.
    requested_ns_.store(monotonic_ns(), std::memory_order_release);
    if (requested_stop_.compare_exchange_weak(before, static_cast<int>(how), std::memory_order_acq_rel)) break;
  }
  wake();
}

void ShutdownController::lose_listener(const char* why) noexcept {
  if (listener_lost_.exchange(true, std::memory_order_relaxed)) return;  // logged once
  host_.log(
      LogLevel::kError,
      absl::StrCat("SLC0520: daemon process '", options_.name, "' has lost its listening socket: ", why,
                   "; the process is replaced; the application must not close descriptors that it has not opened"));
  stop(Stop::kEnd, "listener_lost");
}

void ShutdownController::wake() noexcept { watched.wake(); }

std::uint64_t ShutdownController::grace_ns() const noexcept {
  const bool eviction = options_.eviction_timeout > 0 && std::string_view(reason()) == "eviction_signal";
  return seconds(eviction ? options_.eviction_timeout : options_.graceful_timeout);
}

void ShutdownController::on_signals(const SignalQueue::Arrivals& arrivals) noexcept {
  if (arrivals.has(SIGTERM) || arrivals.has(SIGINT)) stop(Stop::kEnd, "shutdown_signal");
  if (arrivals.has(SIGUSR1)) {
    stop(arrivals.with_value ? Stop::kClose : Stop::kDrain,
         options_.eviction_timeout > 0 ? "eviction_signal" : "graceful_signal");
  }
  if (arrivals.has(SIGXCPU) && requested_stop_.load(std::memory_order_relaxed) < 0) {
    log(LogLevel::kInfo, "SLC0951: CPU time limit exceeded", "the process is replaced");
    stop(Stop::kDrain, "cpu_time_limit");
  }
}

/// Code of the application can replace the handlers in ways that the guard of its signal module does not see.
void ShutdownController::repair_handlers() noexcept {
  if (!watched.repair() || std::exchange(handlers_replaced_, true) || !options_.serves()) return;
  log(LogLevel::kWarning, "SLC0952: the handler of a signal that ends the process was replaced",
      "it was installed again; look for a library that calls sigaction() or signal()");
}

bool ShutdownController::gil_stuck(const GilWatchdog* gil_watchdog, std::uint64_t now_ns) noexcept {
  const std::uint64_t elapsed_ns = now_ns - std::exchange(last_check_ns_, now_ns);
  if (gil_watchdog == nullptr || options_.deadlock_timeout == 0) return false;
  return gil_stall_.stalled(gil_watchdog->last_acquired_ns(), elapsed_ns, kTickMostNs,
                            seconds(options_.deadlock_timeout));
}

/// Has overdue requests interrupted. Returns true when the process is to be replaced because of one.
bool ShutdownController::request_stuck(WorkerActivity& activity, GilWatchdog* gil_watchdog,
                                       std::uint64_t now_ns) noexcept {
  if (request_limits_.request_ns == 0 || gil_watchdog == nullptr) return false;
  auto action = OverdueAction::kNone;
  OverdueRequest request = activity.overdue(request_limits_, now_ns, action);
  while (action == OverdueAction::kInterrupt) {
    if (auto* const interrupter = interrupter_.load(std::memory_order_acquire)) interrupter->interrupt(request);
    request = activity.overdue(request_limits_, now_ns, action);
  }
  if (action == OverdueAction::kNone) return false;
  log(LogLevel::kError, "SLC0523: request timeout exceeded",
      "the process is replaced, and the stack of the request follows");
  gil_watchdog->log_stack(request.thread);
  return true;
}

void ShutdownController::check_limits(WorkerActivity& activity, std::uint64_t now_ns) noexcept {
  const auto exceeds = [now_ns](std::uint64_t since_ns, std::uint64_t limit_ns) {
    return limit_ns > 0 && since_ns != 0 && now_ns > since_ns && now_ns - since_ns >= limit_ns;
  };
  if (::getppid() != parent_) stop(Stop::kClose, "shutdown_signal");
  if (requested_stop_.load(std::memory_order_relaxed) < static_cast<int>(Stop::kClose) && listener_ != nullptr) {
    if (const char* const why = listener_->why_lost()) lose_listener(why);
  }
  if (requested_stop_.load(std::memory_order_relaxed) >= 0) return;
  GilWatchdog* const gil_watchdog = gil_watchdog_.load(std::memory_order_acquire);
  if (gil_stuck(gil_watchdog, now_ns)) {
    log(LogLevel::kError, "SLC0521: deadlock timeout exceeded",
        "no thread could acquire the GIL; the process is replaced");
    stop(Stop::kEnd, "deadlock_timeout");
  } else if (exceeds(started_ns_, seconds(options_.restart_interval))) {
    log(LogLevel::kInfo, "SLC0522: restart interval reached", "the process is replaced");
    stop(Stop::kDrain, "restart_interval");
  } else if (request_stuck(activity, gil_watchdog, now_ns)) {
    stop(Stop::kDrain, "request_timeout");
  } else if (!loaded_.load(std::memory_order_relaxed) &&
             exceeds(loading_ns_.load(std::memory_order_relaxed), seconds(options_.startup_timeout))) {
    log(LogLevel::kError, "SLC0524: application startup timeout exceeded", "the process is replaced");
    stop(Stop::kEnd, "startup_timeout");
  } else if (activity.active() == 0 && exceeds(activity.last_active_ns(), seconds(options_.inactivity_timeout))) {
    log(LogLevel::kInfo, "SLC0525: inactivity timeout reached", "the process is replaced");
    stop(Stop::kDrain, "inactivity_timeout");
  }
}

/// Returns true while a request is in flight that may still end by itself. One that has exceeded its time is stuck.
bool ShutdownController::worth_waiting(const WorkerActivity& activity, std::uint64_t now_ns) const noexcept {
  if (request_limits_.request_ns == 0) return activity.active() > 0;
  return activity.active() > activity.older_than(request_limits_.request_ns + request_limits_.interrupt_ns, now_ns);
}

bool ShutdownController::due_to_close(const WorkerActivity& activity, std::uint64_t now_ns) const noexcept {
  const int how = requested_stop_.load(std::memory_order_acquire);
  if (how < 0) return false;
  if (how != static_cast<int>(Stop::kDrain)) return true;
  return !worth_waiting(activity, now_ns) || now_ns >= requested_ns_.load(std::memory_order_acquire) + grace_ns();
}

/// Ends the process when its end takes too long: longer than the grace of the requests and the shutdown timeout of
/// Python.
void ShutdownController::enforce_end(std::uint64_t now_ns) const noexcept {
  if (options_.shutdown_timeout == 0) return;
  const bool urgent = requested_stop_.load(std::memory_order_acquire) == static_cast<int>(Stop::kEnd);
  const std::uint64_t allowed_ns = (urgent ? 0 : grace_ns()) + seconds(options_.shutdown_timeout);
  if (now_ns < requested_ns_.load(std::memory_order_acquire) + allowed_ns) return;
  log(LogLevel::kError, "SLC0526: shutdown timeout exceeded", "the process ends at once, and drops its requests");
  if (telemetry::Reporter* const reporter = reporter_.load(std::memory_order_acquire)) reporter->stop(this->reason());
  ::_exit(0);
}

void ShutdownController::watch(WorkerActivity& activity) noexcept {
  while (true) {
    if (heartbeat_ != nullptr) heartbeat_->beat();
    const bool stopping = requested_stop_.load(std::memory_order_acquire) >= 0;
    on_signals(watched.wait(stopping ? kShortTick : kTick));
    repair_handlers();
    const std::uint64_t now_ns = monotonic_ns();
    if (closing()) {
      enforce_end(now_ns);
      continue;
    }
    check_limits(activity, now_ns);
    if (!due_to_close(activity, now_ns)) continue;
    log(LogLevel::kInfo, "SLC0527: shutdown requested", "the process accepts no more requests");
    closing_.store(true, std::memory_order_seq_cst);
    closing_.notify_all();
    if (const pthread_t thread = interrupted_.load(std::memory_order_seq_cst); thread != pthread_t{}) {
      // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread): SIGTERM has a handler, so it only interrupts a system call.
      ::pthread_kill(thread, SIGTERM);
    }
  }
}

void ShutdownController::loading() noexcept {
  std::uint64_t none = 0;
  loading_ns_.compare_exchange_strong(none, monotonic_ns(), std::memory_order_relaxed);
}

void ShutdownController::record_service() noexcept {
  served_.store(true, std::memory_order_relaxed);
  if (heartbeat_ != nullptr) heartbeat_->served.store(true, std::memory_order_relaxed);
}

void ShutdownController::wait_for_closing() noexcept { closing_.wait(false, std::memory_order_acquire); }

void ShutdownController::wait_for_requests(const WorkerActivity& activity) noexcept {
  while (worth_waiting(activity, monotonic_ns())) {
    const bool urgent = requested_stop_.load(std::memory_order_acquire) == static_cast<int>(Stop::kEnd);
    // An urgent end leaves half of the shutdown timeout to Python. Both times count from the request to stop: watch()
    // may have waited before it closed, and a second grace would use up the time of Python; and an urgent request may
    // come while those in flight have their grace.
    const std::uint64_t allowed_ns = urgent ? seconds(options_.shutdown_timeout) / 2 : grace_ns();
    if (monotonic_ns() >= requested_ns_.load(std::memory_order_acquire) + allowed_ns) return;
    const timespec moment = {0, 2'000'000};
    ::nanosleep(&moment, nullptr);
  }
}

}  // namespace sluice::daemon
