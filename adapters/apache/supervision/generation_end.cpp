// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/generation_end.hpp"

#include <ap_mpm.h>
#include <signal.h>
#include <unistd.h>
#include <unixd.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "adapters/apache/supervision/child_processes.hpp"
#include "adapters/apache/supervision/daemon_supervisor.hpp"
#include "adapters/apache/supervision/process_registry.hpp"
#include "adapters/daemon/shutdown_controller.hpp"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::apache {
namespace {

/// The time for which the end of a killed process is waited for.
constexpr std::uint64_t kKillNs = 2 * kNsPerSecond;
/// The time after which a process is killed that has not ended itself.
constexpr std::uint64_t kMarginNs = 5 * kNsPerSecond;

/// Releases the entry of a process that has ended and has been waited for.
void forget(ParentState& state, ProcessEntry& entry) noexcept {
  if (!entry.reaped()) process_ended(state, entry.pid);
  clear(entry);
}

/// The callback of APR for a child that a previous generation started.
void on_previous_generation_event(int reason, void* data, apr_wait_t) noexcept {
  if (reason != APR_OC_REASON_DEATH && reason != APR_OC_REASON_LOST) return;
  apr_proc_other_child_unregister(data);
  forget(parent_state(), *static_cast<ProcessEntry*>(data));
}

bool ended_by(pid_t pid, std::uint64_t deadline_ns) noexcept {
  while (!child_has_ended(pid)) {
    if (monotonic_ns() >= deadline_ns) return false;
    ::usleep(5'000);
  }
  return true;
}

/// Ends processes and waits for them, for the time that they are allowed and a little longer, then kills the rest. Both
/// waits are bounded, because the end of a process that another one than this traces is reported only after the end of
/// its tracer.
void end_all(ParentState& state, const std::vector<pid_t>& pids, std::uint64_t allowed_ns) noexcept {
  for (const pid_t pid : pids) signal_child(pid, SIGTERM);
  const std::uint64_t deadline_ns = monotonic_ns() + allowed_ns + kNsPerSecond;
  std::vector<pid_t> killed;
  for (const pid_t pid : pids) {
    if (ended_by(pid, deadline_ns)) {
      process_ended(state, pid);
    } else {
      signal_child(pid, SIGKILL);
      killed.push_back(pid);
    }
  }
  const std::uint64_t kill_deadline_ns = monotonic_ns() + kKillNs;
  for (const pid_t pid : killed) {
    if (ended_by(pid, kill_deadline_ns)) {
      process_ended(state, pid);
    } else {
      ap_log_error(APLOG_MARK, APLOG_ERR, 0, state.server,
                   "SLC0495: daemon process %d was killed, but has not ended, because it is traced or waits for a "
                   "device; the server continues without it; look for remaining processes of its user",
                   pid);
    }
  }
}

bool server_ends() { return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_EXITING; }

bool graceful_restart() {
  const ap_unixd_mpm_retained_data* const mpm = ap_unixd_mpm_get_retained_data();
  return !server_ends() && mpm != nullptr && mpm->is_ungraceful == 0;
}

/// Returns when a process of this group is to have ended after it was told to: the time for its requests and for
/// Python, and a little more than it takes to end itself once that is over. 0: Python may take any time.
std::uint64_t end_by_ns(const daemon::DaemonOptions& options) noexcept {
  if (options.shutdown_timeout == 0) return 0;
  const int seconds = std::max(options.graceful_timeout, options.eviction_timeout) + options.shutdown_timeout;
  return monotonic_ns() + static_cast<std::uint64_t>(seconds) * kNsPerSecond + kMarginNs;
}

/// Tells the processes that others replace them, and leaves them to the next generation.
void hand_over(ParentState& state) noexcept {
  for (Daemon& daemon : state.all_daemons()) {
    if (!daemon.running) continue;
    apr_proc_other_child_unregister(&daemon);
    ProcessEntry* const entry = state.retained->processes.at(daemon.entry);
    if (entry != nullptr && entry->reaped()) {
      forget(state, *entry);
      continue;
    }
    signal_child(daemon.process.pid, SIGUSR1, daemon::kReplacedSignalValue);
    if (entry == nullptr) continue;
    entry->previous_generation = true;
    entry->end_by_ns = end_by_ns(daemon.group->options);
  }
}

/// Ends the processes of this generation and of previous ones, and waits for them.
void end_now(ParentState& state) noexcept {
  std::vector<pid_t> pids;
  std::uint64_t allowed_ns = 0;
  for (Daemon& daemon : state.all_daemons()) {
    if (!daemon.running) continue;
    apr_proc_other_child_unregister(&daemon);
    const ProcessEntry* const entry = state.retained->processes.at(daemon.entry);
    if (entry != nullptr && entry->reaped()) continue;
    pids.push_back(daemon.process.pid);
    const int timeout = daemon.group->options.shutdown_timeout;
    allowed_ns = std::max(allowed_ns, static_cast<std::uint64_t>(timeout) * kNsPerSecond);
  }
  auto& entries = state.retained->processes.entries;
  for (const ProcessEntry& entry : entries) {
    if (entry.previous_generation && !entry.reaped()) pids.push_back(entry.pid);
  }
  std::for_each(std::begin(entries), std::end(entries), clear);
  end_all(state, pids, allowed_ns);
}

}  // namespace

void adopt_previous_generation(ParentState& state) {
  for (ProcessEntry& entry : state.retained->processes.entries) {
    if (!entry.previous_generation) continue;
    if (entry.reaped()) {
      forget(state, entry);
      continue;
    }
    auto* const process = static_cast<apr_proc_t*>(apr_pcalloc(state.pool, sizeof(apr_proc_t)));
    process->pid = entry.pid;
    apr_proc_other_child_register(process, on_previous_generation_event, &entry, nullptr, state.pool);
  }
}

void release_reaped(ParentState& state) noexcept {
  for (ProcessEntry& entry : state.retained->processes.entries) {
    if (!entry.previous_generation || !entry.reaped()) continue;
    apr_proc_other_child_unregister(&entry);
    forget(state, entry);
  }
}

void end_generation(ParentState& state) noexcept {
  state.ending = true;
  restore_default_sigchld();
  if (graceful_restart()) {
    hand_over(state);
  } else {
    end_now(state);
  }
  if (server_ends()) state.retained->sockets.close_all();
  state.daemons = nullptr;
}

}  // namespace sluice::apache
