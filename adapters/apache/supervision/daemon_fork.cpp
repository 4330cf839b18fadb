// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/daemon_fork.hpp"

#include <signal.h>

#include <cstring>
#include <utility>

#include "adapters/apache/supervision/child_processes.hpp"
#include "adapters/apache/supervision/daemon_process.hpp"
#include "adapters/apache/supervision/process_registry.hpp"
#include "adapters/daemon/shutdown_controller.hpp"
#include "sluice/clock.hpp"

namespace sluice::apache {
namespace {

/// Forks a process in which the signals that it will wait for are blocked. A signal that arrives before the process has
/// replaced the server's handlers would be lost, and a process that is never told to end lives on beside its successor.
apr_status_t fork_with_signals_blocked(apr_proc_t& process, apr_pool_t* pool) {
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
  daemon::ShutdownController::block_signals();
  const apr_status_t status = apr_proc_fork(&process, pool);
  if (status != APR_INCHILD) ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return status;
}

}  // namespace

void repair_socket(ParentState& state, const daemon::DaemonOptions& options) {
  if (!state.retained->sockets.repair(options, state.server)) return;
  const SigchldBlocked blocked;  // so that the handler waits for no process that is about to get a signal
  for (const Daemon& daemon : state.all_daemons()) {
    if (!daemon.running || std::strcmp(daemon.group->options.name, options.name) != 0) continue;
    const ProcessEntry* const entry = state.retained->processes.at(daemon.entry);
    if (entry != nullptr && entry->reaped()) continue;
    signal_child(daemon.process.pid, SIGUSR1, daemon::kReplacedSignalValue);
  }
}

bool fork_daemon(ParentState& state, Daemon& daemon, unsigned pause_seconds) {
  const daemon::DaemonOptions& options = daemon.group->options;
  repair_socket(state, options);
  daemon.started_ns = monotonic_ns();
  daemon.entry = state.retained->processes.find_free();
  daemon.heartbeat = daemon::map_heartbeat();
  daemon.slot = reserve_slot(state, options);
  const apr_status_t status = fork_with_signals_blocked(daemon.process, state.pool);
  if (status == APR_INCHILD) become_daemon(state, daemon, pause_seconds);
  daemon.running = status == APR_INPARENT;
  if (!daemon.running) {
    ap_log_error(
        APLOG_MARK, APLOG_ALERT, status, state.server,
        "SLC0490: cannot create a process for daemon process group '%s'; the server tries again in about ten seconds",
        options.name);
    daemon_not_started(state, daemon.slot);
    daemon::unmap_heartbeat(std::exchange(daemon.heartbeat, nullptr));
    return false;
  }
  daemon::keep_from_later_children(daemon.heartbeat);
  daemon_started(state, daemon.slot, daemon.process.pid);
  if (ProcessEntry* const entry = state.retained->processes.at(daemon.entry)) {
    const SigchldBlocked blocked;
    *entry = {};
    entry->pid = daemon.process.pid;
    entry->deadlock_timeout = options.deadlock_timeout;
    entry->heartbeat = daemon.heartbeat;
    std::strncpy(entry->group, options.name, sizeof entry->group - 1);
  }
  return true;
}

}  // namespace sluice::apache
