// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/daemon_sockets.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unixd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/supervision/socket_files.hpp"
#include "adapters/daemon/listener.hpp"

namespace sluice::apache {
namespace {

/// Returns the user who may connect to the socket of a group.
uid_t owner_of(const daemon::DaemonOptions& options) noexcept {
  return options.socket_user != daemon::DaemonOptions::kServerUser ? options.socket_user : ap_unixd_config.user_id;
}

/// Creates a listening socket at a new path, to which only its owner may connect. Returns -1 on an error, with errno
/// set.
int listen_at(const char* path, const daemon::DaemonOptions& options) {
  ::unlink(path);
  const int descriptor = bind_socket(path, 0600);
  if (descriptor < 0) return -1;
  const bool owned = ::geteuid() != 0 || give_socket(path, owner_of(options), static_cast<gid_t>(-1));
  if (owned && ::listen(descriptor, options.listen_backlog) == 0) return descriptor;
  const int error = errno;
  ::close(descriptor);
  ::unlink(path);
  errno = error;
  return -1;
}

/// Returns the part of the paths before the number.
std::string prefix_of(apr_pool_t* pool) {
  const char* const prefix = process_config().socket_prefix != nullptr ? process_config().socket_prefix
                                                                       : ap_runtime_dir_relative(pool, "wsgi");
  return std::string(prefix) + "." + std::to_string(::getpid()) + ".";
}

std::string path_of(int number, apr_pool_t* pool) { return prefix_of(pool) + std::to_string(number) + ".sock"; }

/// Whether the configuration that was read last creates a socket at a path.
bool is_at_prefix(std::string_view path, apr_pool_t* pool) {
  const std::string prefix = prefix_of(pool);
  return path.starts_with(prefix) && path.find('/', prefix.size()) == std::string_view::npos;
}

}  // namespace

void DaemonSockets::begin_use() noexcept {
  for (int i = 0; i < count_; ++i) sockets_[i].used = false;
}

void DaemonSockets::keep(const daemon::DaemonOptions& options, apr_pool_t* pool) {
  Socket* const existing = find(options.name);
  if (existing == nullptr) return;
  // Processes of a previous user may still be alive with the descriptor and the keys.
  const bool has_users =
      existing->user == options.uid && existing->user_group == options.gid && existing->owner == owner_of(options);
  existing->used = has_users && is_at_prefix(existing->path, pool);
}

const char* DaemonSockets::use(const daemon::DaemonOptions& options, apr_pool_t* pool, server_rec* server) {
  Socket* const existing = find(options.name);
  return existing != nullptr ? reuse(*existing, options, server) : create(options, pool, server);
}

const char* DaemonSockets::reuse(Socket& socket, const daemon::DaemonOptions& options, server_rec* server) {
  ::listen(socket.descriptor, options.listen_backlog);  // listen() on a listening socket only changes its backlog
  if (!socket.keys.add_generation()) {
    ap_log_error(APLOG_MARK, APLOG_ERR, errno, server,
                 "SLC0470: cannot draw a key for daemon process group '%s', because the system gives no random "
                 "numbers; it keeps the key of the last configuration",
                 options.name);
  }
  return socket.path;
}

const char* DaemonSockets::create(const daemon::DaemonOptions& options, apr_pool_t* pool, server_rec* server) {
  const std::string path = path_of(++paths_made_, pool);
  if (count_ == kSockets || path.size() >= sizeof Socket::path || std::strlen(options.name) >= sizeof Socket::group) {
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, server,
                 "SLC0471: cannot create socket '%s' for daemon process group '%s', because its path or the name of "
                 "the group is too long, or there are more than %d groups; the server does not start",
                 path.c_str(), options.name, kSockets);
    return nullptr;
  }
  if (!directory_is_safe(path)) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                 "SLC0472: users other than root can write to the directory of the socket '%s', so that they could "
                 "replace it and receive the requests of daemon process group '%s'; set WSGISocketPrefix to a "
                 "directory that only root can write to",
                 path.c_str(), options.name);
  }
  const int descriptor = listen_at(path.c_str(), options);
  if (descriptor < 0) {
    ap_log_error(APLOG_MARK, APLOG_EMERG, errno, server,
                 "SLC0473: cannot create socket '%s' for daemon process group '%s'; the server does not start",
                 path.c_str(), options.name);
    return nullptr;
  }
  Socket& socket = add(options, path, descriptor);
  // The key is drawn in its place, so that no copy stays in memory that processes of other groups inherit.
  if (socket.keys.add_generation()) return socket.path;
  ap_log_error(APLOG_MARK, APLOG_EMERG, errno, server,
               "SLC0474: cannot draw a key for daemon process group '%s', because the system gives no random numbers; "
               "the server does not start",
               options.name);
  close(socket);
  return nullptr;
}

DaemonSockets::Socket& DaemonSockets::add(const daemon::DaemonOptions& options, const std::string& path,
                                          int descriptor) noexcept {
  Socket& socket = sockets_[count_++];
  socket = {};
  std::strcpy(socket.group, options.name);
  std::strcpy(socket.path, path.c_str());
  socket.descriptor = descriptor;
  remember_file(socket);
  socket.user = options.uid;
  socket.user_group = options.gid;
  socket.owner = owner_of(options);
  socket.used = true;
  return socket;
}

void DaemonSockets::remember_file(Socket& socket) noexcept {
  struct stat info {};
  static_cast<void>(::lstat(socket.path, &info));
  socket.device = info.st_dev;
  socket.inode = info.st_ino;
}

void DaemonSockets::close_unused() noexcept {
  for (int i = count_; i-- > 0;) {
    if (!sockets_[i].used) close(sockets_[i]);
  }
}

void DaemonSockets::close_all() noexcept {
  while (count_ > 0) close(sockets_[0]);
}

int DaemonSockets::descriptor_of(const char* group) const noexcept {
  const Socket* const socket = const_cast<DaemonSockets*>(this)->find(group);
  return socket != nullptr ? socket->descriptor : -1;
}

bool DaemonSockets::is_gone(const char* group) const noexcept {
  const Socket* const socket = const_cast<DaemonSockets*>(this)->find(group);
  struct stat info {};
  if (socket == nullptr || (::lstat(socket->path, &info) != 0 && errno != ENOENT)) return false;
  return info.st_dev != socket->device || info.st_ino != socket->inode;
}

bool DaemonSockets::create_again(Socket& socket, const daemon::DaemonOptions& options, server_rec* server) {
  const int descriptor = listen_at(socket.path, options);
  if (descriptor < 0) {
    ap_log_error(APLOG_MARK, APLOG_ERR, errno, server,
                 "SLC0475: the socket '%s' of daemon process group '%s' was removed, or a process of the group shut it "
                 "down, and it cannot be created again; the group serves no requests until a later attempt succeeds",
                 socket.path, options.name);
    return false;
  }
  ::close(socket.descriptor);
  socket.descriptor = descriptor;
  remember_file(socket);
  return true;
}

bool DaemonSockets::repair(const daemon::DaemonOptions& options, server_rec* server) {
  Socket* const socket = find(options.name);
  if (socket == nullptr) return false;
  static_cast<void>(daemon::restore_blocking(socket->descriptor));
  ::listen(socket->descriptor, options.listen_backlog);
  if (is_gone(options.name)) {
    if (!create_again(*socket, options, server)) return false;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                 "SLC0479: another program removed the socket '%s' of daemon process group '%s'; the socket has been "
                 "created again, and the processes of the group are replaced; keep programs that clean up away from "
                 "it, or set WSGISocketPrefix to another directory",
                 socket->path, options.name);
    return true;
  }
  pollfd state = {.fd = socket->descriptor, .events = POLLRDHUP, .revents = 0};
  if (::poll(&state, 1, 0) <= 0 || (state.revents & (POLLRDHUP | POLLHUP | POLLNVAL)) == 0) return false;
  if (!create_again(*socket, options, server)) return false;
  ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
               "SLC0476: a process of daemon process group '%s' shut down the socket '%s' of the group; the socket has "
               "been created again",
               options.name, socket->path);
  return false;  // the processes find out themselves
}

void DaemonSockets::keep_only(const char* group) noexcept {
  for (int i = count_; i-- > 0;) {
    if (std::strcmp(sockets_[i].group, group) != 0) forget(sockets_[i]);
  }
}

void DaemonSockets::close_descriptors() noexcept {
  for (int i = 0; i < count_; ++i) ::close(std::exchange(sockets_[i].descriptor, -1));
}

void DaemonSockets::forget(Socket& socket) noexcept {
  ::close(socket.descriptor);
  socket = sockets_[--count_];
  ::explicit_bzero(&sockets_[count_], sizeof(Socket));
}

const daemon::KeyRing* DaemonSockets::keys_of(const char* group) const noexcept {
  const Socket* const socket = const_cast<DaemonSockets*>(this)->find(group);
  return socket != nullptr ? &socket->keys : nullptr;
}

DaemonSockets::Socket* DaemonSockets::find(const char* group) noexcept {
  for (int i = 0; i < count_; ++i) {
    if (std::strcmp(sockets_[i].group, group) == 0) return &sockets_[i];
  }
  return nullptr;
}

void DaemonSockets::close(Socket& socket) noexcept {
  ::unlink(socket.path);
  forget(socket);
}

}  // namespace sluice::apache
