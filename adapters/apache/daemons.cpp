#include "adapters/apache/daemons.hpp"

#include <ap_listen.h>
#include <ap_mpm.h>
#include <apr_thread_proc.h>
#include <scoreboard.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unixd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "adapters/apache/config.hpp"
#include "adapters/apache/exchange.hpp"
#include "adapters/apache/python_options.hpp"
#include "adapters/daemon/process.hpp"
#include "sluice/clock.hpp"

namespace sluice::apache {
namespace {

constexpr const char* kRetainedKey = "sluice-daemons";
constexpr int kReplaced = 1;  ///< With SIGUSR1: a new process has taken the place of this one.
constexpr std::uint64_t kSecond = 1'000'000'000;

/// What outlives a reading of the configuration, and the module itself, which a restart unloads: plain memory of the
/// process.
struct Retained {
  static constexpr int kSockets = 128;
  static constexpr int kElders = 1024;

  struct Socket {
    char group[64];
    char path[sizeof(sockaddr_un::sun_path)];
    int descriptor;
    bool used;  ///< By the configuration that was read last.
  };

  Socket sockets[kSockets];
  int socket_count;
  int sockets_made;
  pid_t elders[kElders];  ///< Processes of earlier configurations that finish what they have.
  int elder_count;
};

/// One daemon process, and the one that takes its place.
struct Daemon {
  const DaemonGroup* group;
  int number;
  apr_proc_t process;
  bool running;
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

// Sockets.

void close_socket(Retained::Socket& socket) noexcept {
  ::close(socket.descriptor);
  ::unlink(socket.path);
  socket = retained->sockets[--retained->socket_count];
}

/// A listening socket at a new path, which only the user of the server's workers may connect to. -1, with errno set.
int listen_at(const char* path, int backlog) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  ::unlink(path);
  const mode_t before = ::umask(0177);
  const int bound = ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(before);
  const bool owned =
      bound == 0 && (::geteuid() != 0 || ::chown(path, ap_unixd_config.user_id, static_cast<gid_t>(-1)) == 0);
  if (owned && ::listen(descriptor, backlog) == 0) return descriptor;
  const int error = errno;
  ::close(descriptor);
  if (bound == 0) ::unlink(path);
  errno = error;
  return -1;
}

/// The socket of a group. It stays through restarts, so that nobody who connects is refused. Null after an error, which
/// has been logged.
Retained::Socket* socket_of(const daemon::Group& group) {
  for (int i = 0; i < retained->socket_count; ++i) {
    Retained::Socket& known = retained->sockets[i];
    if (std::strcmp(known.group, group.name) != 0) continue;
    ::listen(known.descriptor, group.listen_backlog);  // changes the backlog
    return &known;
  }
  const char* const prefix = process_config().socket_prefix != nullptr ? process_config().socket_prefix
                                                                       : ap_runtime_dir_relative(configuration, "wsgi");
  const std::string path =
      std::string(prefix) + "." + std::to_string(::getpid()) + "." + std::to_string(++retained->sockets_made) + ".sock";
  if (retained->socket_count == Retained::kSockets || path.size() >= sizeof(sockaddr_un::sun_path) ||
      std::strlen(group.name) >= sizeof Retained::Socket::group) {
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, main_server,
                 "Daemon process group '%s' can have no socket at '%s': there are too many, or a name is too long",
                 group.name, path.c_str());
    return nullptr;
  }
  const int descriptor = listen_at(path.c_str(), group.listen_backlog);
  if (descriptor < 0) {
    ap_log_error(APLOG_MARK, APLOG_EMERG, errno, main_server,
                 "No socket can be made at '%s' for daemon process group '%s'", path.c_str(), group.name);
    return nullptr;
  }
  Retained::Socket& made = retained->sockets[retained->socket_count++];
  made = {};
  std::strcpy(made.group, group.name);
  std::strcpy(made.path, path.c_str());
  made.descriptor = descriptor;
  return &made;
}

int descriptor_of(const daemon::Group& group) noexcept {
  for (int i = 0; i < retained->socket_count; ++i) {
    if (std::strcmp(retained->sockets[i].group, group.name) == 0) return retained->sockets[i].descriptor;
  }
  return -1;
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

daemon::ProcessOptions process_options(const DaemonGroup& group) {
  daemon::ProcessOptions options{
      .group = group.group,
      .listener = descriptor_of(group.group),
      .server_user = ::geteuid() == 0 ? ap_unixd_config.user_id : ::geteuid(),
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

[[noreturn]] void become_daemon(const DaemonGroup& group, int early_ends) noexcept {
  reset_signals();
  ap_close_listeners();
  // Processes that end as soon as they begin must not keep the machine busy.
  if (early_ends > 1) ::sleep(1);
  try {
    if (group.group.display_name != nullptr) name_process(group.group.display_name, group.group.name);
    daemon::run_process(process_options(group));
  } catch (const std::exception& error) {
    ap_log_error(APLOG_MARK, APLOG_CRIT, 0, main_server, "Daemon process '%s' cannot go on: %s", group.group.name,
                 error.what());
  }
  ::_exit(1);
}

// Supervision.

void maintain(int reason, void* data, apr_wait_t status) noexcept;

void start(Daemon& each) {
  each.started_ns = monotonic_ns();
  const apr_status_t status = apr_proc_fork(&each.process, configuration);
  if (status == APR_INCHILD) become_daemon(*each.group, each.early_ends);
  each.running = status == APR_INPARENT;
  if (each.running) {
    apr_proc_other_child_register(&each.process, maintain, &each, nullptr, configuration);
  } else {
    ap_log_error(APLOG_MARK, APLOG_ALERT, status, main_server, "No process can be made for daemon process group '%s'",
                 each.group->group.name);
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

void maintain(int reason, void* data, apr_wait_t status) noexcept {
  auto& each = *static_cast<Daemon*>(data);
  switch (reason) {
    case APR_OC_REASON_DEATH:
    case APR_OC_REASON_LOST:
      apr_proc_other_child_unregister(&each);
      each.running = false;
      log_end(each, status);
      each.early_ends = monotonic_ns() - each.started_ns < kSecond ? each.early_ends + 1 : 0;
      if (!leaving) start(each);
      break;
    case APR_OC_REASON_RESTART:
      leaving = true;
      break;
    default:
      break;
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
  pid_t* const end = retained->elders + retained->elder_count;
  pid_t* const found = std::find(retained->elders, end, pid);
  if (found != end) *found = retained->elders[--retained->elder_count];
}

/// The server reports every child that it does not know.
void adopt_elders() {
  for (int i = 0; i < retained->elder_count; ++i) {
    auto* const process = static_cast<apr_proc_t*>(apr_pcalloc(configuration, sizeof(apr_proc_t)));
    process->pid = retained->elders[i];
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
    if (graceful && retained->elder_count < Retained::kElders) {
      ::sigqueue(each.process.pid, SIGUSR1, {.sival_int = kReplaced});
      retained->elders[retained->elder_count++] = each.process.pid;
    } else {
      ending.push_back(each.process.pid);
      const int timeout = each.group->group.shutdown_timeout;
      allowed_ns = std::max(allowed_ns, static_cast<std::uint64_t>(timeout) * kSecond);
    }
  }
  if (!graceful) {
    ending.insert(ending.end(), retained->elders, retained->elders + retained->elder_count);
    retained->elder_count = 0;
    end_all(ending, allowed_ns);
  }
  if (server_ends()) {
    while (retained->socket_count > 0) close_socket(retained->sockets[0]);
  }
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
  if (retained == nullptr) retained = static_cast<Retained*>(ap_retained_data_create(kRetainedKey, sizeof(Retained)));
  for (int i = 0; i < retained->socket_count; ++i) retained->sockets[i].used = false;
  daemons = apr_array_make(pool, 8, sizeof(Daemon));
  const apr_array_header_t* const groups = process_config().daemons;
  for (int i = 0; i < groups->nelts; ++i) {
    auto& group = reinterpret_cast<DaemonGroup*>(groups->elts)[i];
    complete(group.group);
    if (group.group.serves()) {
      Retained::Socket* const socket = socket_of(group.group);
      if (socket == nullptr) return HTTP_INTERNAL_SERVER_ERROR;
      socket->used = true;
      group.socket = apr_pstrdup(pool, socket->path);
    }
    for (int number = 1; number <= group.group.processes; ++number) {
      *static_cast<Daemon*>(apr_array_push(daemons)) = {&group, number, {}, false, 0, 0};
    }
  }
  for (int i = retained->socket_count; i-- > 0;) {
    if (!retained->sockets[i].used) close_socket(retained->sockets[i]);
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

void forget_daemons() noexcept { notice_deaths(false); }

}  // namespace sluice::apache
