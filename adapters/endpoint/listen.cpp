// SPDX-License-Identifier: Apache-2.0
#include "listen.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace sluice::inline v0_1::endpoint {
namespace {

constexpr int kBacklog = 64;

absl::Status failed(const std::string& where) {
  const int error = errno;
  if (error == EADDRINUSE) return absl::AlreadyExistsError(absl::StrCat(where, " is in use"));
  return absl::ErrnoToStatus(error, absl::StrCat("cannot listen at ", where));
}

/// Removes the name of a Unix socket that nobody listens at. Leaves everything else, at which bind() then fails.
void remove_stale(const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const Descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const bool refused =
      ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 && errno == ECONNREFUSED;
  if (refused) ::unlink(address.sun_path);
}

/// Sets the mode of a socket in the file system. Does not follow a link, which others may have put in its place if they
/// can write the directory: fchmod() refuses a descriptor of O_PATH, and its name in /proc stands for the file itself.
bool set_mode(const char* path, const struct stat& bound, unsigned mode) noexcept {
  const Descriptor file(::open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) return false;
  if (status.st_dev != bound.st_dev || status.st_ino != bound.st_ino || !S_ISSOCK(status.st_mode)) {
    errno = EPERM;
    return false;
  }
  if ((status.st_mode & 07777) == mode) return true;
  if (::chmod(absl::StrCat("/proc/self/fd/", file.get()).c_str(), mode) == 0) return true;
  return errno == ENOENT && ::fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) == 0;  // there is no /proc
}

}  // namespace

absl::StatusOr<Listener> Listener::open(const ServeOptions& options) {
  return options.unix_path.empty() ? open_tcp(options) : open_unix(options);
}

absl::StatusOr<Listener> Listener::open_unix(const ServeOptions& options) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (options.unix_path.size() >= sizeof address.sun_path || options.unix_path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("the path of a Unix socket has at most ",
                                                   sizeof address.sun_path - 1,
                                                   " bytes and no NUL: ", options.unix_path));
  }
  std::memcpy(address.sun_path, options.unix_path.data(), options.unix_path.size());
  remove_stale(address);
  Listener listener(Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  // The mode of the socket becomes that of its name, so that nobody else can connect in between.
  if (listener.fd() < 0 || ::fchmod(listener.fd(), 0600) != 0 ||
      ::bind(listener.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return failed(options.unix_path);
  }
  listener.unix_path_ = options.unix_path;
  struct stat status {};
  if (::lstat(address.sun_path, &status) != 0) return failed(options.unix_path);
  listener.device_ = status.st_dev;
  listener.inode_ = status.st_ino;
  if (::listen(listener.fd(), kBacklog) != 0 || !set_mode(address.sun_path, status, options.unix_mode & 0777)) {
    return failed(options.unix_path);
  }
  return listener;
}

absl::StatusOr<Listener> Listener::open_tcp(const ServeOptions& options) {
  sockaddr_storage storage{};
  auto* const four = reinterpret_cast<sockaddr_in*>(&storage);
  auto* const six = reinterpret_cast<sockaddr_in6*>(&storage);
  socklen_t size = 0;
  if (::inet_pton(AF_INET, options.address.c_str(), &four->sin_addr) == 1) {
    storage.ss_family = AF_INET;
    four->sin_port = htons(options.port);
    size = sizeof *four;
  } else if (::inet_pton(AF_INET6, options.address.c_str(), &six->sin6_addr) == 1) {
    storage.ss_family = AF_INET6;
    six->sin6_port = htons(options.port);
    size = sizeof *six;
  } else {
    return absl::InvalidArgumentError(absl::StrCat("not a numeric address: ", options.address));
  }
  const std::string where = absl::StrCat(options.address, " port ", options.port);
  Listener listener(Descriptor(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)));
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  const int on = 1;
  if (listener.fd() < 0 || ::setsockopt(listener.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(listener.fd(), address, size) != 0 || ::listen(listener.fd(), kBacklog) != 0 ||
      ::getsockname(listener.fd(), address, &size) != 0) {
    return failed(where);
  }
  listener.port_ = ntohs(storage.ss_family == AF_INET ? four->sin_port : six->sin6_port);
  return listener;
}

Listener::~Listener() {
  struct stat status {};
  if (!unix_path_.empty() && ::lstat(unix_path_.c_str(), &status) == 0 && status.st_dev == device_ &&
      status.st_ino == inode_) {
    ::unlink(unix_path_.c_str());
  }
}

}  // namespace sluice::endpoint
