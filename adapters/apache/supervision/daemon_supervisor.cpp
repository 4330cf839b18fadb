// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/daemon_supervisor.hpp"

#include <httpd.h>
#include <signal.h>
#include <string.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>
#include <utility>

#include "adapters/apache/supervision/child_processes.hpp"
#include "adapters/apache/supervision/daemon_fork.hpp"
#include "adapters/apache/supervision/process_registry.hpp"
#include "adapters/daemon/shutdown_controller.hpp"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::apache {
namespace {

/// Number of early ends in a row after which a process starts with a pause, so that restarts do not keep the machine
/// busy.
constexpr int kEarlyEnds = 2;
constexpr unsigned kPauseSeconds = 1;
/// Short lives in a row after which restarts are throttled, also of processes that have served a request.
constexpr int kShortLives = 5;
/// The parent checks heartbeats less often than processes beat. It does so about every ten seconds, so a longer pause
/// than the limit means that the parent itself did not run.
constexpr std::uint64_t kCheckLeastNs = 2 * kNsPerSecond;
constexpr std::uint64_t kCheckMostNs = 20 * kNsPerSecond;

void start(ParentState& state, Daemon& daemon);

bool is_throttled(const Daemon& daemon) noexcept {
  return daemon.early_ends >= kEarlyEnds || daemon.short_lives >= kShortLives;
}

/// Whether a signal of this number can have ended a daemon process: the kernel ends a process for it by default, and a
/// daemon process does not handle it.
bool ends_daemon(int number) noexcept {
  switch (number) {
    case SIGHUP:
    case SIGINT:
    case SIGUSR1:
    case SIGUSR2:
    case SIGPIPE:
    case SIGTERM:
    case SIGCHLD:
    case SIGCONT:
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
    case SIGURG:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGWINCH:
      return false;
    default:
      return number > 0 && number < NSIG;
  }
}

/// The end of a daemon process.
struct ProcessEnd {
  int status;   ///< The exit code, or the number of the signal that ended it.
  bool reaped;  ///< The handler of SIGCHLD has waited for the process and recorded its end; the status is an exit code.
                ///< Otherwise Apache does not tell which of the two it is.
};

void log_end(const ParentState& state, const Daemon& daemon, const ProcessEnd& end) {
  const int status = end.status;
  const char* const name = daemon.group->options.name;
  const pid_t pid = daemon.process.pid;
  if (status == 0) {
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, state.server, "SLC0492: daemon process '%s' (pid %d) has ended", name, pid);
  } else if (!end.reaped && ends_daemon(status)) {
    const char* const text = ::sigabbrev_np(status);
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, state.server,
                 "SLC0491: daemon process '%s' (pid %d) was ended by signal %d (SIG%s), or by exit(%d) of the "
                 "application; the server replaces it",
                 name, pid, status, text != nullptr ? text : "?", status);
  } else {
    ap_log_error(
        APLOG_MARK, APLOG_WARNING, 0, state.server,
        "SLC1150: daemon process '%s' (pid %d) has ended with exit code %d; the server replaces it; look for a "
        "message of the process, or for a call of os._exit() in the application",
        name, pid, status);
  }
}

/// Counts towards the throttle. The process itself reports in its heartbeat that it has served; a false report only
/// delays the throttle.
void count_early_end(const ParentState& state, Daemon& daemon) noexcept {
  const bool throttled = is_throttled(daemon);
  const std::uint64_t pause_ns = throttled ? kPauseSeconds * kNsPerSecond : 0;
  const bool short_life = monotonic_ns() - daemon.started_ns < kNsPerSecond + pause_ns;
  const bool served = daemon.heartbeat != nullptr && daemon.heartbeat->served.load(std::memory_order_relaxed);
  daemon.short_lives = short_life ? std::min(daemon.short_lives + 1, kShortLives) : 0;
  daemon.early_ends = short_life && !served ? std::min(daemon.early_ends + 1, kEarlyEnds) : 0;
  if (throttled || !is_throttled(daemon)) return;
  ap_log_error(
      APLOG_MARK, APLOG_WARNING, 0, state.server,
      "SLC0493: daemon process '%s' exits immediately after its start; restarts are throttled to one per second",
      daemon.group->options.name);
}

/// Releases what the parent kept for a process that has ended.
void release(ParentState& state, Daemon& daemon) noexcept {
  daemon::unmap_heartbeat(std::exchange(daemon.heartbeat, nullptr));
  if (ProcessEntry* const entry = state.retained->processes.at(daemon.entry)) *entry = {};
}

/// Replaces a process that has ended and has been waited for.
void daemon_ended(ParentState& state, Daemon& daemon, const ProcessEnd& end) noexcept {
  apr_proc_other_child_unregister(&daemon);
  daemon.running = false;
  if (!end.reaped) process_ended(state, daemon.process.pid);
  log_end(state, daemon, end);
  count_early_end(state, daemon);
  release(state, daemon);
  if (!state.ending) start(state, daemon);
}

/// The callback of APR for a child of the parent.
void on_daemon_event(int reason, void* data, apr_wait_t status) noexcept {
  ParentState& state = parent_state();
  auto& daemon = *static_cast<Daemon*>(data);
  switch (reason) {
    case APR_OC_REASON_DEATH:
    case APR_OC_REASON_LOST:
      daemon_ended(state, daemon, {.status = status, .reaped = false});
      break;
    case APR_OC_REASON_RESTART:
      state.ending = true;
      break;
    default:
      break;
  }
}

/// The exit codes of a child with which Apache ends the server: at once, or when no child has served yet.
constexpr int kEndsServer[] = {APEXIT_CHILDFATAL, APEXIT_CHILDSICK};

/// Waits for the daemon processes that have ended with a code that would stop the server, because any application could
/// do that, and marks their entries. Records their ends at once, because readers of the registry find no process any
/// more, and wait for the record. Async-signal-safe; called with SIGCHLD blocked.
void keep_from_server() noexcept {
  ParentState& state = parent_state();
  if (state.retained == nullptr || !state.in_parent()) return;
  for (ProcessEntry& entry : state.retained->processes.entries) {
    if (entry.pid <= 0 || entry.reaped()) continue;
    const std::optional<ReapedChild> end = reap_exit_code(entry.pid, kEndsServer);
    if (!end) continue;
    entry.reaped_code = end->code;
    process_reaped(state, entry.pid, end->cpu_us);
  }
}

void start(ParentState& state, Daemon& daemon) {
  if (!fork_daemon(state, daemon, is_throttled(daemon) ? kPauseSeconds : 0)) return;
  apr_proc_other_child_register(&daemon.process, on_daemon_event, &daemon, nullptr, state.pool);
  const SigchldBlocked blocked;
  keep_from_server();  // a process that ended before it had an entry
}

/// Makes a blocking call of the parent return, so that the parent waits for the child that has ended. The parent spends
/// its time in that call, so this runs before Apache can see an exit code, except in the instant in which Apache looks
/// for children that have ended.
void on_sigchld(int) noexcept {
  const int error = errno;
  keep_from_server();
  errno = error;
}

/// Whether the heartbeat of a process has stopped for its deadlock timeout.
bool is_stalled(ProcessEntry& entry, std::uint64_t elapsed_ns) noexcept {
  if (entry.deadlock_timeout == 0 || entry.heartbeat == nullptr) return false;
  const std::uint64_t limit_ns = static_cast<std::uint64_t>(entry.deadlock_timeout) * kNsPerSecond;
  const std::uint64_t beats = entry.heartbeat->beats.load(std::memory_order_relaxed);
  return entry.stall.stalled(beats, elapsed_ns, kCheckMostNs, limit_ns);
}

/// Sends the stop signal again to a process of a previous generation, because its application may have ignored the
/// first one. Kills one that has not ended in time.
void end_previous(const ParentState& state, const ProcessEntry& entry, std::uint64_t now_ns) noexcept {
  if (entry.end_by_ns == 0 || now_ns < entry.end_by_ns) {
    signal_child(entry.pid, SIGUSR1, daemon::kReplacedSignalValue);
    return;
  }
  ap_log_error(APLOG_MARK, APLOG_ERR, 0, state.server,
               "SLC0498: daemon process '%s' (pid %d) has not ended although a graceful restart has replaced it; it is "
               "killed; look for code of the application that blocks or ignores signals",
               entry.group, entry.pid);
  signal_child(entry.pid, SIGKILL);
}

void set_sigchld_action(void (*handler)(int)) noexcept {
  struct sigaction action {};
  action.sa_handler = handler;
  // An application can stop and continue its process without end, and each report would wake the parent.
  action.sa_flags = SA_NOCLDSTOP;
  ::sigaction(SIGCHLD, &action, nullptr);
}

}  // namespace

void start_all_daemons(ParentState& state) {
  if (std::exchange(state.started, true)) return;
  const auto& entries = state.retained->processes.entries;
  const bool none =
      state.all_daemons().empty() &&
      std::all_of(std::begin(entries), std::end(entries), [](const ProcessEntry& entry) { return entry.pid == 0; });
  set_sigchld_action(none ? SIG_DFL : on_sigchld);
  {
    // Processes of the previous generation may have ended while SIGCHLD had its default action.
    const SigchldBlocked blocked;
    keep_from_server();
  }
  for (Daemon& daemon : state.all_daemons()) start(state, daemon);
}

void start_missing_daemons(ParentState& state) {
  for (Daemon& daemon : state.all_daemons()) {
    const ProcessEntry* const entry = daemon.running ? state.retained->processes.at(daemon.entry) : nullptr;
    if (entry != nullptr && entry->reaped())
      daemon_ended(state, daemon, {.status = entry->reaped_code, .reaped = true});
    if (!daemon.running) start(state, daemon);
  }
}

void end_unwanted_daemons(ParentState& state) {
  const std::uint64_t now_ns = monotonic_ns();
  const std::uint64_t elapsed_ns = now_ns - state.retained->last_check_ns;
  if (elapsed_ns < kCheckLeastNs) return;
  state.retained->last_check_ns = now_ns;
  const SigchldBlocked blocked;  // so that the handler waits for no process that is about to get a signal
  for (ProcessEntry& entry : state.retained->processes.entries) {
    if (entry.pid == 0 || entry.reaped()) continue;
    if (is_stalled(entry, elapsed_ns)) {
      ap_log_error(APLOG_MARK, APLOG_ERR, 0, state.server,
                   "SLC0494: daemon process '%s' (pid %d) has not run for its deadlock timeout of %d s; it is killed "
                   "and replaced",
                   entry.group, entry.pid, entry.deadlock_timeout);
      signal_child(entry.pid, SIGKILL);
    } else if (entry.previous_generation) {
      end_previous(state, entry, now_ns);
    }
  }
}

void restore_default_sigchld() noexcept { set_sigchld_action(SIG_DFL); }

}  // namespace sluice::apache
