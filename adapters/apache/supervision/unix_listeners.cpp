// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/unix_listeners.hpp"

#include <ap_listen.h>
#include <ap_mpm.h>
#include <apr_portable.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <unixd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/supervision/socket_files.hpp"

namespace sluice::apache {
namespace {

static_assert(APR_HAVE_SOCKADDR_UN, "APR has no addresses of Unix sockets");

/// Maximum length of the backlog; the system may have a lower limit.
constexpr int kBacklog = 4096;

/// A socket, and the file that belongs to it.
struct Listener {
  char path[sizeof(sockaddr_un::sun_path)];
  int descriptor;  ///< The descriptor of the generation that was read last.
  dev_t device;
  ino_t inode;
};

/// Plain memory of the process, which outlives a reading of the configuration and the module itself. All zeros at
/// first.
struct RetainedListeners {
  Listener listeners[ListenSocket::kMost];
  std::size_t count;
  pid_t parent;
  apr_pool_t* pool;           ///< Has the records of the generation that was read last.
  apr_pool_t* previous_pool;  ///< Has those that Apache has not closed yet.

  [[nodiscard]] std::span<Listener> all() noexcept { return {listeners, count}; }
};

RetainedListeners& retained_listeners() {
  constexpr const char* kKey = "sluice-listeners-1";
  void* memory = ap_retained_data_get(kKey);
  if (memory == nullptr) memory = ap_retained_data_create(kKey, sizeof(RetainedListeners));
  return *static_cast<RetainedListeners*>(memory);
}

sockaddr_un address_of(const char* path) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  return address;
}

/// Returns true when a server accepts connections at a path.
bool is_served(const char* path) noexcept {
  const sockaddr_un address = address_of(path);
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return false;
  const int connected = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const bool served = connected == 0 || errno == EAGAIN;  // EAGAIN: its backlog is full
  ::close(probe);
  return served;
}

/// Removes the socket that a server has left which was killed. Returns null, or why there can be no socket at the path,
/// with errno set if that is an error of the system.
const char* clear_path(const char* path) noexcept {
  errno = 0;
  if (!directory_is_safe(path)) {
    return "users other than root can write to its directory or one above, so that they could replace it";
  }
  struct stat info {};
  if (::lstat(path, &info) != 0) return nullptr;  // bind() reports what else is wrong
  if (!S_ISSOCK(info.st_mode)) return "there is a file that is not a socket";
  if (is_served(path)) {
    errno = 0;
    return "another server listens there";
  }
  return ::unlink(path) == 0 ? nullptr : "the socket that is there cannot be removed";
}

gid_t group_of(const ListenSocket& socket) noexcept {
  if (socket.group != ListenSocket::kServerGroup) return socket.group;
  return ::geteuid() == 0 ? ap_unixd_config.group_id : static_cast<gid_t>(-1);
}

/// Returns true when the socket listens, and its file is there.
bool is_intact(const Listener& listener) noexcept {
  struct stat info {};
  if (::lstat(listener.path, &info) != 0) return false;
  if (info.st_dev != listener.device || info.st_ino != listener.inode) return false;
  pollfd state = {.fd = listener.descriptor, .events = POLLRDHUP, .revents = 0};
  return ::poll(&state, 1, 0) >= 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLNVAL)) == 0;
}

/// Removes the file, unless another one is there by now.
void remove_file(const Listener& listener) noexcept {
  struct stat info {};
  if (::lstat(listener.path, &info) != 0) return;
  if (info.st_dev == listener.device && info.st_ino == listener.inode) ::unlink(listener.path);
}

int refuse(const char* path, int error, const char* reason) {
  ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, error, nullptr,
               "SLC0477: cannot listen at Unix socket '%s': %s; the server does not start", path, reason);
  return HTTP_INTERNAL_SERVER_ERROR;
}

/// Opens a new socket. Returns OK, or an error that has been logged.
int open_listener(const ListenSocket& socket, Listener& listener) {
  listener = {};
  if (const char* const problem = clear_path(socket.path)) return refuse(socket.path, errno, problem);
  const int descriptor = bind_socket(socket.path, socket.mode);
  if (descriptor < 0) return refuse(socket.path, errno, "it cannot be created");
  struct stat info {};
  const gid_t group = group_of(socket);
  const bool has_group = group == static_cast<gid_t>(-1) || give_socket(socket.path, static_cast<uid_t>(-1), group);
  if (!has_group || ::listen(descriptor, kBacklog) != 0 || ::lstat(socket.path, &info) != 0) {
    const int error = errno;
    ::close(descriptor);
    ::unlink(socket.path);
    return refuse(socket.path, error, has_group ? "it cannot be listened at" : "its group cannot be changed");
  }
  std::strcpy(listener.path, socket.path);
  listener.descriptor = descriptor;
  listener.device = info.st_dev;
  listener.inode = info.st_ino;
  return OK;
}

/// Takes over the socket of the previous generation, whose descriptor Apache will close.
int keep_listener(const ListenSocket& socket, Listener& listener) {
  const int descriptor = ::fcntl(listener.descriptor, F_DUPFD_CLOEXEC, 0);
  if (descriptor < 0) return refuse(socket.path, errno, "its descriptor cannot be duplicated");
  listener.descriptor = descriptor;
  const gid_t group = group_of(socket);
  if (group != static_cast<gid_t>(-1) && !give_socket(socket.path, static_cast<uid_t>(-1), group)) {
    return refuse(socket.path, errno, "its group cannot be changed");
  }
  return ::chmod(socket.path, socket.mode) == 0 ? OK : refuse(socket.path, errno, "its mode cannot be changed");
}

/// Adds a record to Apache's list of listeners.
void add_record(const Listener& listener, apr_pool_t* pool) {
  auto* const record = static_cast<ap_listen_rec*>(apr_pcalloc(pool, sizeof(ap_listen_rec)));
  apr_sockaddr_info_get(&record->bind_addr, listener.path, APR_UNIX, 0, 0, pool);
  int descriptor = listener.descriptor;
  apr_os_sock_info_t info{.os_sock = &descriptor,
                          .local = reinterpret_cast<sockaddr*>(&record->bind_addr->sa),
                          .remote = nullptr,
                          .family = APR_UNIX,
                          .type = SOCK_STREAM,
                          .protocol = 0};
  apr_os_sock_make(&record->sd, &info, pool);
  record->active = 1;  // Apache does not bind it.
  // A protocol without an AcceptFilter, because these are options of TCP.
  record->protocol = apr_pstrdup(pool, "unix");
  ap_listen_rec** last = &ap_listeners;
  while (*last != nullptr) last = &(*last)->next;
  *last = record;
}

/// Removes the sockets that the configuration does not have any more. Apache closes their descriptors.
void remove_unused(RetainedListeners& retained) noexcept {
  const auto unused = [](const Listener& listener) {
    return std::ranges::none_of(
        listen_sockets(), [&](const ListenSocket& socket) { return std::strcmp(socket.path, listener.path) == 0; });
  };
  for (const Listener& listener : retained.all()) {
    if (unused(listener)) remove_file(listener);
  }
  const std::span<Listener> all = retained.all();
  retained.count = static_cast<std::size_t>(std::remove_if(all.begin(), all.end(), unused) - all.begin());
}

int use_listener(RetainedListeners& retained, const ListenSocket& socket) {
  const std::span<Listener> listeners = retained.all();
  const auto listener = std::ranges::find_if(
      listeners, [&](const Listener& candidate) { return std::strcmp(candidate.path, socket.path) == 0; });
  int status = OK;
  if (listener != listeners.end() && is_intact(*listener)) {
    status = keep_listener(socket, *listener);
    if (status == OK) add_record(*listener, retained.pool);
    return status;
  }
  Listener opened;
  status = open_listener(socket, opened);
  if (status != OK) return status;
  add_record(opened, retained.pool);
  (listener != listeners.end() ? *listener : retained.listeners[retained.count++]) = opened;
  return OK;
}

/// Removes the files when the server ends.
apr_status_t on_configuration_end(void* data) noexcept {
  auto& retained = *static_cast<RetainedListeners*>(data);
  if (retained.parent != ::getpid() || ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_EXITING) return APR_SUCCESS;
  for (const Listener& listener : retained.all()) remove_file(listener);
  retained.count = 0;
  return APR_SUCCESS;
}

void set_loopback(apr_sockaddr_t& address, apr_port_t port, apr_pool_t* pool) noexcept {
  address = {};
  address.pool = pool;
  address.family = APR_INET;
  address.port = port;
  address.sa.sin.sin_port = htons(port);
  address.sa.sin.sin_family = AF_INET;
  address.sa.sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.salen = sizeof address.sa.sin;
  address.addr_str_len = INET_ADDRSTRLEN;
  address.ipaddr_len = sizeof address.sa.sin.sin_addr;
  address.ipaddr_ptr = &address.sa.sin.sin_addr;
}

/// Returns true when the configuration may have the MPM bind each listener more than once, which the MPM does not
/// expose before it has done so.
bool has_copies_of_listeners() noexcept {
  for (const ap_directive_t* directive = ap_conftree; directive != nullptr; directive = directive->next) {
    if (strcasecmp(directive->directive, "ListenCoresBucketsRatio") == 0) return true;
  }
  return false;
}

/// Returns true when a connection came in at a socket of the configuration. A connection of a proxy to a Unix socket
/// has no path at this end.
bool is_own(const apr_sockaddr_t& local) noexcept {
  if (local.family != APR_UNIX) return false;
  return std::ranges::any_of(listen_sockets(), [&](const ListenSocket& socket) {
    return std::strncmp(socket.path, local.sa.unx.sun_path, sizeof local.sa.unx.sun_path) == 0;
  });
}

}  // namespace

int open_unix_listeners(apr_pool_t* pool, apr_pool_t*, apr_pool_t*, server_rec* server) {
  RetainedListeners& retained = retained_listeners();
  if (listen_sockets().empty() && retained.count == 0) return OK;
  if (!listen_sockets().empty() && has_copies_of_listeners()) {
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, nullptr,
                 "SLC0478: WSGIListenSocket does not go with ListenCoresBucketsRatio, which binds each listener more "
                 "than once; the server does not start");
    return HTTP_INTERNAL_SERVER_ERROR;
  }
  retained.parent = ::getpid();
  retained.previous_pool = retained.pool;
  if (apr_pool_create(&retained.pool, server->process->pool) != APR_SUCCESS) return HTTP_INTERNAL_SERVER_ERROR;
  apr_pool_pre_cleanup_register(pool, &retained, on_configuration_end);
  remove_unused(retained);
  for (const ListenSocket& socket : listen_sockets()) {
    const int status = use_listener(retained, socket);
    if (status != OK) return status;
  }
  return OK;
}

int release_previous_listeners(apr_pool_t*, apr_pool_t*, apr_pool_t*, server_rec*) {
  RetainedListeners& retained = retained_listeners();
  if (retained.previous_pool != nullptr) apr_pool_destroy(std::exchange(retained.previous_pool, nullptr));
  return OK;
}

conn_rec* name_unix_client(apr_pool_t* pool, server_rec*, apr_socket_t* socket, long, void*, apr_bucket_alloc_t*) {
  if (listen_sockets().empty()) return nullptr;
  apr_sockaddr_t* local = nullptr;
  apr_sockaddr_t* remote = nullptr;
  if (apr_socket_addr_get(&local, APR_LOCAL, socket) != APR_SUCCESS || !is_own(*local)) return nullptr;
  if (apr_socket_addr_get(&remote, APR_REMOTE, socket) != APR_SUCCESS) return nullptr;
  set_loopback(*local, DEFAULT_HTTP_PORT, pool);
  set_loopback(*remote, 0, pool);
  return nullptr;
}

}  // namespace sluice::apache
