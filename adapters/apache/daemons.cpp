#include "adapters/apache/daemons.hpp"

#include <ap_mpm.h>
#include <apr_thread_proc.h>
#include <mpm_common.h>
#include <scoreboard.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unixd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapters/apache/child_processes.hpp"
#include "adapters/apache/config.hpp"
#include "adapters/apache/daemon_process.hpp"
#include "adapters/apache/daemon_sockets.hpp"
#include "adapters/apache/process_registry.hpp"
#include "adapters/daemon/heartbeat.hpp"
#include "adapters/daemon/lifetime.hpp"
#include "sluice/clock.hpp"

namespace sluice::apache {
namespace {

constexpr int kReplaced = 1;  ///< With SIGUSR1: a new process has taken the place of this one.
constexpr std::uint64_t kSecond = 1'000'000'000;
/// Processes that end as soon as they begin must not keep the machine busy: from so many on they begin with a pause.
constexpr int kEarlyEnds = 2;
constexpr unsigned kPauseSeconds = 1;
/// The same for processes that end within a second although they have served, as they say themselves.
constexpr int kShortLives = 5;
/// How long the end of a process that was killed is waited for.
constexpr std::uint64_t kKillNs = 2'000'000'000;
/// The parent looks at its processes less often than they beat, and about every ten seconds when it runs as it should.
constexpr std::uint64_t kLookLeastNs = 2 * kSecond;
constexpr std::uint64_t kLookMostNs = 20 * kSecond;

/// What outlives a reading of the configuration, and the module itself, which a restart unloads: plain memory of the
/// process.
struct Retained {
  static constexpr int kProcesses = 2048;

  /// A daemon process that lives, of this configuration or an earlier one.
  struct Process {
    char group[64];
    pid_t pid;   ///< 0: a free entry.
    bool elder;  ///< Of an earlier configuration: it finishes what it has.
    int deadlock_timeout;
    daemon::Heartbeat* heartbeat;  ///< Null: there was no memory for it.
    daemon::StallDetector stall;
  };

  DaemonSockets sockets;
  Process processes[kProcesses];
  std::uint64_t looked_ns;
};

/// Number of changes to Retained, or to the protocol with daemon processes, after which a module cannot take over from
/// the one before. Any other upgrade keeps sockets and keys, so that requests reach a process whichever version sends
/// them.
constexpr int kRetainedLayout = 1;

std::string retained_key() {
  return "sluice-daemons-" + std::to_string(kRetainedLayout) + "-" + std::to_string(sizeof(Retained));
}

/// One daemon process, and the one that takes its place.
struct Daemon {
  const DaemonGroup* group;
  int number;
  apr_proc_t process;
  bool running;
  int entry;                             ///< Index of its entry among the retained processes; -1: there was none left.
  std::optional<Registry::SlotId> slot;  ///< Slot of the registry in which it records; none: it is not counted.
  int early_ends;   ///< Number of ends in a row within a second and before a request was served; at most kEarlyEnds.
  int short_lives;  ///< Number of ends in a row within a second; at most kShortLives.
  std::uint64_t started_ns;
  daemon::Heartbeat* heartbeat;
};

constinit Retained* retained = nullptr;
constinit apr_pool_t* configuration = nullptr;  ///< Of this generation.
constinit server_rec* main_server = nullptr;
constinit apr_array_header_t* daemons = nullptr;  ///< Of Daemon.
constinit pid_t parent = 0;
constinit bool started = false;
constinit bool leaving = false;

std::size_t count_daemons() { return daemons != nullptr ? static_cast<std::size_t>(daemons->nelts) : 0; }
Daemon& daemon_at(std::size_t i) { return reinterpret_cast<Daemon*>(daemons->elts)[i]; }

// The entries of living processes.

/// Null for a process without an entry.
Retained::Process* entry_of(const Daemon& daemon) noexcept {
  return daemon.entry >= 0 ? &retained->processes[daemon.entry] : nullptr;
}

int free_entry() noexcept {
  const auto* const found = std::find_if(std::begin(retained->processes), std::end(retained->processes),
                                         [](const Retained::Process& each) { return each.pid == 0; });
  return found != std::end(retained->processes) ? static_cast<int>(found - retained->processes) : -1;
}

void clear(Retained::Process& process) noexcept {
  daemon::unmap_heartbeat(process.heartbeat);
  process = {};
}

// Supervision.

void maintain(int reason, void* data, apr_wait_t status) noexcept;

bool is_throttled(const Daemon& each) noexcept {
  return each.early_ends >= kEarlyEnds || each.short_lives >= kShortLives;
}

/// Forks a process that has the signals blocked which it will wait for. One that was sent to it before it had taken
/// over from the server's handlers would be lost, and a process that is never told to end lives on beside its
/// successor.
apr_status_t fork_with_signals_blocked(apr_proc_t& process) {
  sigset_t before;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
  daemon::Lifetime::block_signals();
  const apr_status_t status = apr_proc_fork(&process, configuration);
  if (status != APR_INCHILD) ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return status;
}

/// A process that cannot be made now is made later, see look_after_daemons().
void start(Daemon& each) {
  const daemon::Group& group = each.group->group;
  retained->sockets.repair(group, main_server);
  each.started_ns = monotonic_ns();
  each.entry = free_entry();
  each.heartbeat = daemon::map_heartbeat();
  each.slot = reserve_slot(group);
  const apr_status_t status = fork_with_signals_blocked(each.process);
  if (status == APR_INCHILD) {
    become_daemon({.group = *each.group,
                   .server = main_server,
                   .parent = parent,
                   .sockets = retained->sockets,
                   .heartbeat = each.heartbeat,
                   .slot = each.slot,
                   .pause_seconds = is_throttled(each) ? kPauseSeconds : 0});
  }
  each.running = status == APR_INPARENT;
  if (!each.running) {
    ap_log_error(APLOG_MARK, APLOG_ALERT, status, main_server, "No process can be made for daemon process group '%s'",
                 group.name);
    daemon_not_started(each.slot);
    daemon::unmap_heartbeat(std::exchange(each.heartbeat, nullptr));
    return;
  }
  daemon::keep_from_later_children(each.heartbeat);
  daemon_started(each.slot, each.process.pid);
  apr_proc_other_child_register(&each.process, maintain, &each, nullptr, configuration);
  if (Retained::Process* const process = entry_of(each)) {
    *process = {{}, each.process.pid, false, group.deadlock_timeout, each.heartbeat, {}};
    std::strncpy(process->group, group.name, sizeof process->group - 1);
  }
}

void log_end(const Daemon& each, apr_wait_t status) {
  if (WIFSIGNALED(status)) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server, "Daemon process '%s' (pid %d) was ended by signal %d",
                 each.group->group.name, each.process.pid, WTERMSIG(status));
  } else {
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, main_server, "Daemon process '%s' (pid %d) has ended",
                 each.group->group.name, each.process.pid);
  }
}

/// Counts towards the throttle. The flag by which a process says that it has served only delays it.
void count_early_end(Daemon& each) noexcept {
  const bool throttled = is_throttled(each);
  const std::uint64_t pause_ns = throttled ? kPauseSeconds * kSecond : 0;
  const bool short_life = monotonic_ns() - each.started_ns < kSecond + pause_ns;
  const bool served = each.heartbeat != nullptr && each.heartbeat->served.load(std::memory_order_relaxed);
  each.short_lives = short_life ? std::min(each.short_lives + 1, kShortLives) : 0;
  each.early_ends = short_life && !served ? std::min(each.early_ends + 1, kEarlyEnds) : 0;
  if (throttled || !is_throttled(each)) return;
  ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
               "Daemon process '%s' exits immediately after its start again and again: restarts are throttled to one "
               "a second",
               each.group->group.name);
}

/// Gives up what the parent kept for a process that has ended.
void forget(Daemon& each) noexcept {
  daemon::unmap_heartbeat(std::exchange(each.heartbeat, nullptr));
  if (Retained::Process* const process = entry_of(each)) *process = {};
}

void maintain(int reason, void* data, apr_wait_t status) noexcept {
  auto& each = *static_cast<Daemon*>(data);
  switch (reason) {
    case APR_OC_REASON_DEATH:
    case APR_OC_REASON_LOST:
      apr_proc_other_child_unregister(&each);
      each.running = false;
      process_ended(each.process.pid);
      log_end(each, status);
      count_early_end(each);
      forget(each);
      if (!leaving) start(each);
      break;
    case APR_OC_REASON_RESTART:
      leaving = true;
      break;
    default:
      break;
  }
}

/// Kills the processes that have shown no sign of life for their deadlock timeout. Their deaths are noticed like
/// others.
void end_silent_processes() {
  const std::uint64_t now_ns = monotonic_ns();
  const std::uint64_t elapsed_ns = now_ns - retained->looked_ns;
  if (elapsed_ns < kLookLeastNs) return;
  retained->looked_ns = now_ns;
  for (Retained::Process& each : retained->processes) {
    if (each.pid == 0 || each.deadlock_timeout == 0 || each.heartbeat == nullptr) continue;
    const std::uint64_t limit_ns = static_cast<std::uint64_t>(each.deadlock_timeout) * kSecond;
    const std::uint64_t beats = each.heartbeat->beats.load(std::memory_order_relaxed);
    if (!each.stall.stalled(beats, elapsed_ns, kLookMostNs, limit_ns)) continue;
    ap_log_error(
        APLOG_MARK, APLOG_ERR, 0, main_server,
        "Daemon process '%s' (pid %d) does not run any more: no sign of life for its deadlock timeout of %d s. "
        "It is killed",
        each.group, each.pid, each.deadlock_timeout);
    signal_child(each.pid, SIGKILL);
  }
}

/// Has a blocking call of the parent return, so that it looks for the child that ended.
void notice_child(int) noexcept {}

void notice_deaths(bool wanted) noexcept {
  struct sigaction action {};
  action.sa_handler = wanted ? notice_child : SIG_DFL;
  ::sigaction(SIGCHLD, &action, nullptr);
}

// The end of a generation.

void forget_elder(int reason, void* data, apr_wait_t) noexcept {
  if (reason != APR_OC_REASON_DEATH && reason != APR_OC_REASON_LOST) return;
  apr_proc_other_child_unregister(data);
  const pid_t pid = static_cast<apr_proc_t*>(data)->pid;
  process_ended(pid);
  for (Retained::Process& each : retained->processes) {
    if (each.elder && each.pid == pid) clear(each);
  }
}

/// The server reports every child that it does not know.
void adopt_elders() {
  for (const Retained::Process& each : retained->processes) {
    if (!each.elder) continue;
    auto* const process = static_cast<apr_proc_t*>(apr_pcalloc(configuration, sizeof(apr_proc_t)));
    process->pid = each.pid;
    apr_proc_other_child_register(process, forget_elder, process, nullptr, configuration);
  }
}

bool ended_by(pid_t pid, std::uint64_t deadline_ns) noexcept {
  while (!child_has_ended(pid)) {
    if (monotonic_ns() >= deadline_ns) return false;
    ::usleep(5'000);
  }
  return true;
}

/// Ends processes and waits for them, as long as they are allowed to take and a little longer. Whatever they do, this
/// comes to an end: the end of a process that another one than this traces is not reported before that one is gone,
/// too.
void end_all(const std::vector<pid_t>& pids, std::uint64_t allowed_ns) noexcept {
  for (const pid_t pid : pids) signal_child(pid, SIGTERM);
  const std::uint64_t deadline_ns = monotonic_ns() + allowed_ns + kSecond;
  std::vector<pid_t> killed;
  for (const pid_t pid : pids) {
    if (ended_by(pid, deadline_ns)) {
      process_ended(pid);
    } else {
      signal_child(pid, SIGKILL);
      killed.push_back(pid);
    }
  }
  const std::uint64_t last_ns = monotonic_ns() + kKillNs;
  for (const pid_t pid : killed) {
    if (ended_by(pid, last_ns)) {
      process_ended(pid);
    } else {
      ap_log_error(
          APLOG_MARK, APLOG_ERR, 0, main_server,
          "Daemon process %d was killed, and its end is not reported: it is traced, or waits for a device. The "
          "server goes on without it; look for processes of its user",
          pid);
    }
  }
}

bool server_ends() { return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_EXITING; }

bool graceful_restart() {
  const ap_unixd_mpm_retained_data* const mpm = ap_unixd_mpm_get_retained_data();
  return !server_ends() && mpm != nullptr && mpm->is_ungraceful == 0;
}

apr_status_t end_generation(void*) noexcept {
  if (::getpid() != parent) return APR_SUCCESS;
  leaving = true;
  notice_deaths(false);
  const bool graceful = graceful_restart();
  std::vector<pid_t> ending;
  std::uint64_t allowed_ns = 0;
  for (std::size_t i = 0; i < count_daemons(); ++i) {
    Daemon& each = daemon_at(i);
    if (!each.running) continue;
    apr_proc_other_child_unregister(&each);
    Retained::Process* const process = entry_of(each);
    if (graceful) {
      signal_child(each.process.pid, SIGUSR1, kReplaced);
      if (process != nullptr) process->elder = true;
    } else {
      ending.push_back(each.process.pid);
      const int timeout = each.group->group.shutdown_timeout;
      allowed_ns = std::max(allowed_ns, static_cast<std::uint64_t>(timeout) * kSecond);
    }
  }
  if (!graceful) {
    for (const Retained::Process& each : retained->processes) {
      if (each.elder) ending.push_back(each.pid);
    }
    std::for_each(std::begin(retained->processes), std::end(retained->processes), clear);
    end_all(ending, allowed_ns);
  }
  if (server_ends()) retained->sockets.close_all();
  daemons = nullptr;
  return APR_SUCCESS;
}

void start_all() {
  if (std::exchange(started, true)) return;
  notice_deaths(count_daemons() > 0);
  for (std::size_t i = 0; i < count_daemons(); ++i) start(daemon_at(i));
}

}  // namespace

int prepare_daemons(apr_pool_t* pool, apr_pool_t*, apr_pool_t*, server_rec* server) {
  main_server = server;
  configuration = pool;
  // The first reading of the configuration is a rehearsal.
  if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) return OK;
  apply_server_defaults(server);
  parent = ::getpid();
  const std::string key = retained_key();
  retained = static_cast<Retained*>(ap_retained_data_get(key.c_str()));
  if (retained == nullptr) retained = static_cast<Retained*>(ap_retained_data_create(key.c_str(), sizeof(Retained)));
  retained->sockets.begin_use();
  daemons = apr_array_make(pool, 8, sizeof(Daemon));
  const apr_array_header_t* const groups = process_config().daemons;
  for (int i = 0; i < groups->nelts; ++i) {
    auto& group = reinterpret_cast<DaemonGroup*>(groups->elts)[i];
    if (group.group.serves()) {
      const char* const path = retained->sockets.use(group.group, pool, server);
      if (path == nullptr) return HTTP_INTERNAL_SERVER_ERROR;
      group.socket = apr_pstrdup(pool, path);
    }
    for (int number = 1; number <= group.group.processes; ++number) {
      *static_cast<Daemon*>(apr_array_push(daemons)) = {.group = &group,
                                                        .number = number,
                                                        .process = {},
                                                        .running = false,
                                                        .entry = -1,
                                                        .slot = std::nullopt,
                                                        .early_ends = 0,
                                                        .short_lives = 0,
                                                        .started_ns = 0,
                                                        .heartbeat = nullptr};
    }
  }
  retained->sockets.close_unused();
  for (int i = 0; i < groups->nelts; ++i) {
    auto& group = reinterpret_cast<DaemonGroup*>(groups->elts)[i];
    group.keys = retained->sockets.keys_of(group.group.name);
  }
  apr_pool_pre_cleanup_register(pool, nullptr, end_generation);
  adopt_elders();
  if (ap_scoreboard_image != nullptr) start_all();
  return OK;
}

int start_daemons(apr_pool_t*, ap_scoreboard_e) {
  start_all();
  return OK;
}

int look_after_daemons(apr_pool_t*, server_rec*) {
  if (::getpid() != parent || leaving) return OK;
  for (std::size_t i = 0; i < count_daemons(); ++i) {
    if (!daemon_at(i).running) start(daemon_at(i));
  }
  end_silent_processes();
  return OK;
}

void leave_daemons_to_parent() noexcept {
  notice_deaths(false);
  if (retained != nullptr && ::getpid() != parent) retained->sockets.close_descriptors();
}

}  // namespace sluice::apache
