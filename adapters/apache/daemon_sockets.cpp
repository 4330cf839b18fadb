#include "adapters/apache/daemon_sockets.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unixd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "adapters/apache/config.hpp"

namespace sluice::apache {
namespace {

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
  // Where others may write to the directory, what has just been made may be a link of theirs by now.
  const bool owned =
      bound == 0 && (::geteuid() != 0 || ::lchown(path, ap_unixd_config.user_id, static_cast<gid_t>(-1)) == 0);
  if (owned && ::listen(descriptor, backlog) == 0) return descriptor;
  const int error = errno;
  ::close(descriptor);
  if (bound == 0) ::unlink(path);
  errno = error;
  return -1;
}

std::string path_of(int number, apr_pool_t* pool) {
  const char* const prefix = process_config().socket_prefix != nullptr ? process_config().socket_prefix
                                                                       : ap_runtime_dir_relative(pool, "wsgi");
  return std::string(prefix) + "." + std::to_string(::getpid()) + "." + std::to_string(number) + ".sock";
}

}  // namespace

void DaemonSockets::begin_use() noexcept {
  for (int i = 0; i < count_; ++i) sockets_[i].used = false;
}

const char* DaemonSockets::use(const daemon::Group& group, apr_pool_t* pool, server_rec* server) {
  if (Socket* const known = find(group.name)) {
    ::listen(known->descriptor, group.listen_backlog);  // changes the backlog
    known->used = true;
    if (!known->keys.add_generation()) {
      ap_log_error(APLOG_MARK, APLOG_ERR, errno, server,
                   "No key can be drawn for daemon process group '%s', which keeps the one of the last configuration",
                   group.name);
    }
    return known->path;
  }
  const std::string path = path_of(++made_, pool);
  if (count_ == kSockets || path.size() >= sizeof Socket::path || std::strlen(group.name) >= sizeof Socket::group) {
    ap_log_error(APLOG_MARK, APLOG_EMERG, 0, server,
                 "Daemon process group '%s' can have no socket at '%s': there are too many, or a name is too long",
                 group.name, path.c_str());
    return nullptr;
  }
  daemon::KeyRing keys{};
  if (!keys.add_generation()) {
    ap_log_error(APLOG_MARK, APLOG_EMERG, errno, server,
                 "No key can be drawn for daemon process group '%s', so the server does not start", group.name);
    return nullptr;
  }
  const int descriptor = listen_at(path.c_str(), group.listen_backlog);
  if (descriptor < 0) {
    ap_log_error(APLOG_MARK, APLOG_EMERG, errno, server, "No socket can be made at '%s' for daemon process group '%s'",
                 path.c_str(), group.name);
    return nullptr;
  }
  Socket& made = sockets_[count_++];
  made = {};
  std::strcpy(made.group, group.name);
  std::strcpy(made.path, path.c_str());
  made.descriptor = descriptor;
  made.keys = keys;
  made.used = true;
  return made.path;
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
  const Socket* const found = const_cast<DaemonSockets*>(this)->find(group);
  return found != nullptr ? found->descriptor : -1;
}

const daemon::KeyRing* DaemonSockets::keys_of(const char* group) const noexcept {
  const Socket* const found = const_cast<DaemonSockets*>(this)->find(group);
  return found != nullptr ? &found->keys : nullptr;
}

DaemonSockets::Socket* DaemonSockets::find(const char* group) noexcept {
  for (int i = 0; i < count_; ++i) {
    if (std::strcmp(sockets_[i].group, group) == 0) return &sockets_[i];
  }
  return nullptr;
}

void DaemonSockets::close(Socket& socket) noexcept {
  ::close(socket.descriptor);
  ::unlink(socket.path);
  socket = sockets_[--count_];
}

}  // namespace sluice::apache
