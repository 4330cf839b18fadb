#include "adapters/apache/daemons.hpp"

#include <ap_listen.h>
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
#include <exception>
#include <fstream>
#include <iterator>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/apache/config.hpp"
#include "adapters/apache/daemon_sockets.hpp"
#include "adapters/apache/exchange.hpp"
#include "adapters/apache/places.hpp"
#include "adapters/apache/python_options.hpp"
#include "adapters/apache/scoreboard.hpp"
#include "adapters/daemon/process.hpp"
#include "adapters/daemon/pulse.hpp"
#include "sluice/clock.hpp"

namespace sluice::apache {
namespace {

constexpr const char* kRetainedKey = "sluice-daemons";
constexpr int kReplaced = 1;  ///< With SIGUSR1: a new process has taken the place of this one.
/// Processes that end as soon as they begin must not keep the machine busy: from so many on they begin with a pause.
constexpr int kEarlyEnds = 2;
constexpr unsigned kPauseSeconds = 1;
constexpr std::uint64_t kSecond = 1'000'000'000;
/// The parent looks at its processes less often than they beat, and about every ten seconds when it runs as it should.
constexpr std::uint64_t kLookLeastNs = 2 * kSecond;
constexpr std::uint64_t kLookMostNs = 20 * kSecond;

/// What outlives a reading of the configuration, and the module itself, which a restart unloads: plain memory of the
/// process.
struct Retained {
  static constexpr int kProcesses = 2048;

  /// A daemon process that lives, of this configuration or an earlier one. It has the pulse of the same index.
  struct Process {
    char group[64];
    pid_t pid;   ///< 0: a free place.
    bool elder;  ///< Of an earlier configuration: it finishes what it has.
    int deadlock_timeout;
    daemon::PulseWatch watch;
  };

  DaemonSockets sockets;
  Process processes[kProcesses];
  daemon::Pulse* pulses;  ///< Null: there was no memory for them.
  std::uint64_t looked_ns;
};

/// One daemon process, and the one that takes its place.
struct Daemon {
  const DaemonGroup* group;
  int number;
  apr_proc_t process;
  bool running;
  int place;       ///< Among the retained processes; -1: there was none left.
  int recording;   ///< The place in which it records.
  int early_ends;  ///< In a row.
  std::uint64_t started_ns;
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

// The places of living processes.

/// Null for a process without a place.
Retained::Process* process_at(int place) noexcept { return place >= 0 ? &retained->processes[place] : nullptr; }

daemon::Pulse* pulse_of(const Daemon& each) noexcept {
  return each.place >= 0 && retained->pulses != nullptr ? &retained->pulses[each.place] : nullptr;
}

int free_place() noexcept {
  const auto* const found = std::find_if(std::begin(retained->processes), std::end(retained->processes),
                                         [](const Retained::Process& each) { return each.pid == 0; });
  return found != std::end(retained->processes) ? static_cast<int>(found - retained->processes) : -1;
}

// The new process.

/// Overwrites the arguments of the process, which `ps` shows. They lie in one piece, which the first begins.
void name_process(const char* display_name, const char* group) {
  const std::string name =
      std::string_view(display_name) == "%{GROUP}" ? "(wsgi:" + std::string(group) + ")" : display_name;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string arguments((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto* const begin = const_cast<char*>(main_server->process->argv[0]);
  if (arguments.size() < 2 || arguments.c_str() != std::string_view(begin)) return;
  const std::size_t room = arguments.size() - 1;
  std::memset(begin, '\0', room);
  std::memcpy(begin, name.data(), std::min(name.size(), room));
}

void reset_signals() noexcept {
  for (const int each : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGWINCH, SIGALRM})
    ::signal(each, SIG_DFL);
  // The application's, once it asks for them; until then they must not end the process.
  for (const int each : {SIGPIPE, SIGHUP, SIGUSR2}) ::signal(each, SIG_IGN);
}

daemon::ProcessOptions process_options(const DaemonGroup& group, daemon::Pulse* pulse, std::span<std::byte> memory) {
  daemon::ProcessOptions options{
      .group = group.group,
      .listener = retained->sockets.descriptor_of(group.group.name),
      .keys = group.keys != nullptr ? *group.keys : daemon::KeyRing{},
      .pulse = pulse,
      .memory = memory,
      .scoreboard = group.group.server_metrics ? scoreboard : nullptr,
      .facts = {.multithread = group.group.threads > 1,
                .multiprocess = group.group.processes_given,
                .capture_user_agent = (process_config().telemetry_options & kCaptureUserAgent) != 0},
      .python = python_options(group.group.python_home, group.group.python_path),
      .imports = {},
      .telemetry = telemetry_settings(),
      .identity = telemetry_identity(),
      .slow_threshold_us = slow_threshold_us(),
      .log = [](bindings::LogLevel level, std::string_view line) {
        ap_log_error(APLOG_MARK, apache_level(level), 0, main_server, "%.*s", static_cast<int>(line.size()),
                     line.data());
      }};
  set_server_version(options.facts);
  const apr_array_header_t* const imports = process_config().imports;
  for (int i = 0; i < imports->nelts; ++i) {
    const auto& script = reinterpret_cast<const Import*>(imports->elts)[i];
    if (std::strcmp(script.process_group, group.group.name) != 0) continue;
    options.imports.push_back({script.application_group, script.path});
  }
  return options;
}

[[noreturn]] void become_daemon(const Daemon& each) noexcept {
  const DaemonGroup& group = *each.group;
  reset_signals();
  ap_close_listeners();
  const std::span<std::byte> memory = enter_place(each.recording);
  if (each.early_ends >= kEarlyEnds) ::sleep(kPauseSeconds);
  try {
    if (group.group.display_name != nullptr) name_process(group.group.display_name, group.group.name);
    daemon::run_process(process_options(group, pulse_of(each), memory));
  } catch (const std::exception& error) {
    ap_log_error(APLOG_MARK, APLOG_CRIT, 0, main_server, "Daemon process '%s' cannot go on: %s", group.group.name,
                 error.what());
  }
  ::_exit(1);
}

// Supervision.

void maintain(int reason, void* data, apr_wait_t status) noexcept;

/// A process that cannot be made now is made later, see look_after_daemons().
void start(Daemon& each) {
  const daemon::Group& group = each.group->group;
  each.started_ns = monotonic_ns();
  each.place = free_place();
  if (daemon::Pulse* const pulse = pulse_of(each)) new (pulse) daemon::Pulse;
  each.recording = reserve_place(group);
  const apr_status_t status = apr_proc_fork(&each.process, configuration);
  if (status == APR_INCHILD) become_daemon(each);
  each.running = status == APR_INPARENT;
  if (!each.running) {
    ap_log_error(APLOG_MARK, APLOG_ALERT, status, main_server, "No process can be made for daemon process group '%s'",
                 group.name);
    daemon_not_started(each.recording);
    return;
  }
  daemon_started(each.recording, each.process.pid);
  apr_proc_other_child_register(&each.process, maintain, &each, nullptr, configuration);
  if (Retained::Process* const process = process_at(each.place)) {
    *process = {{}, each.process.pid, false, group.deadlock_timeout, {}};
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

/// Whether a process ended before it was of any use.
bool ended_early(const Daemon& each) noexcept {
  const daemon::Pulse* const pulse = pulse_of(each);
  if (pulse != nullptr && pulse->served.load(std::memory_order_relaxed)) return false;
  const std::uint64_t pause_ns = each.early_ends >= kEarlyEnds ? kPauseSeconds * kSecond : 0;
  return monotonic_ns() - each.started_ns < kSecond + pause_ns;
}

void count_early_end(Daemon& each) noexcept {
  each.early_ends = ended_early(each) ? each.early_ends + 1 : 0;
  if (each.early_ends != kEarlyEnds) return;
  ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
               "Daemon process '%s' ends again and again as soon as it begins: from now on it begins with a pause",
               each.group->group.name);
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
      if (Retained::Process* const process = process_at(each.place)) process->pid = 0;
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
  if (retained->pulses == nullptr || elapsed_ns < kLookLeastNs) return;
  retained->looked_ns = now_ns;
  for (int i = 0; i < Retained::kProcesses; ++i) {
    Retained::Process& each = retained->processes[i];
    if (each.pid == 0 || each.deadlock_timeout == 0) continue;
    const std::uint64_t limit_ns = static_cast<std::uint64_t>(each.deadlock_timeout) * kSecond;
    const std::uint64_t beats = retained->pulses[i].beats.load(std::memory_order_relaxed);
    if (!each.watch.silent(beats, elapsed_ns, kLookMostNs, limit_ns)) continue;
    ap_log_error(
        APLOG_MARK, APLOG_ERR, 0, main_server,
        "Daemon process '%s' (pid %d) does not run any more: no sign of life for its deadlock timeout of %d s. "
        "It is killed",
        each.group, each.pid, each.deadlock_timeout);
    ::kill(each.pid, SIGKILL);
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
    if (each.elder && each.pid == pid) each = {};
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

/// Ends processes and waits for them, as long as they are allowed to take and a little longer.
void end_all(const std::vector<pid_t>& pids, std::uint64_t allowed_ns) noexcept {
  for (const pid_t pid : pids) ::kill(pid, SIGTERM);
  const std::uint64_t deadline_ns = monotonic_ns() + allowed_ns + kSecond;
  for (const pid_t pid : pids) {
    while (::waitpid(pid, nullptr, WNOHANG) == 0) {
      if (monotonic_ns() >= deadline_ns) {
        ::kill(pid, SIGKILL);
        ::waitpid(pid, nullptr, 0);
        break;
      }
      ::usleep(5'000);
    }
    process_ended(pid);
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
    Retained::Process* const process = process_at(each.place);
    if (graceful && process != nullptr) {
      ::sigqueue(each.process.pid, SIGUSR1, {.sival_int = kReplaced});
      process->elder = true;
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
    std::fill(std::begin(retained->processes), std::end(retained->processes), Retained::Process{});
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

/// What the configuration leaves to the server's own settings.
void complete(daemon::Group& group) {
  if (group.uid == daemon::Group::kServerUser) {
    group.uid = ap_unixd_config.user_id;
    group.user = ap_unixd_config.user_name;
  }
  if (group.gid == daemon::Group::kServerGroup) group.gid = ap_unixd_config.group_id;
  if (group.socket_timeout == 0) group.socket_timeout = static_cast<int>(apr_time_sec(main_server->timeout));
}

}  // namespace

int prepare_daemons(apr_pool_t* pool, apr_pool_t*, apr_pool_t*, server_rec* server) {
  main_server = server;
  configuration = pool;
  // The first reading of the configuration is a rehearsal.
  if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) return OK;
  parent = ::getpid();
  retained = static_cast<Retained*>(ap_retained_data_get(kRetainedKey));
  if (retained == nullptr) {
    retained = static_cast<Retained*>(ap_retained_data_create(kRetainedKey, sizeof(Retained)));
    retained->pulses = daemon::map_pulses(Retained::kProcesses);
  }
  retained->sockets.begin_use();
  daemons = apr_array_make(pool, 8, sizeof(Daemon));
  const apr_array_header_t* const groups = process_config().daemons;
  for (int i = 0; i < groups->nelts; ++i) {
    auto& group = reinterpret_cast<DaemonGroup*>(groups->elts)[i];
    complete(group.group);
    if (group.group.serves()) {
      const char* const path = retained->sockets.use(group.group, pool, server);
      if (path == nullptr) return HTTP_INTERNAL_SERVER_ERROR;
      group.socket = apr_pstrdup(pool, path);
    }
    for (int number = 1; number <= group.group.processes; ++number) {
      *static_cast<Daemon*>(apr_array_push(daemons)) = {&group, number, {}, false, -1, Registry::kNoPlace, 0, 0};
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

void forget_daemons() noexcept { notice_deaths(false); }

}  // namespace sluice::apache
