// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/listener.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <cerrno>

namespace sluice::daemon {

ListenerCheck::ListenerCheck(int listener) noexcept : listener_(listener) {
  struct stat socket {};
  if (::fstat(listener_, &socket) != 0) return;
  device_ = socket.st_dev;
  inode_ = socket.st_ino;
}

const char* ListenerCheck::why_lost() const noexcept {
  struct stat now {};
  if (::fstat(listener_, &now) != 0) return "its descriptor has been closed";
  if (!S_ISSOCK(now.st_mode) || now.st_dev != device_ || now.st_ino != inode_) {
    return "its descriptor stands for something else";
  }
  pollfd state = {.fd = listener_, .events = POLLRDHUP, .revents = 0};
  const bool gone = ::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
  return gone ? "it has been shut down" : nullptr;
}

bool ListenerCheck::is_lost(int accept_error) noexcept {
  return accept_error == EBADF || accept_error == ENOTSOCK || accept_error == EINVAL || accept_error == EOPNOTSUPP;
}

bool restore_blocking(int listener) noexcept {
  const int flags = ::fcntl(listener, F_GETFL);
  const bool flagged = flags >= 0 && (flags & (O_NONBLOCK | O_ASYNC)) != 0;
  if (flagged) ::fcntl(listener, F_SETFL, flags & ~(O_NONBLOCK | O_ASYNC));
  timeval timeout{};
  socklen_t size = sizeof timeout;
  const bool timed = ::getsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &timeout, &size) == 0 &&
                     (timeout.tv_sec != 0 || timeout.tv_usec != 0);
  timeout = {};
  if (timed) ::setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  return flagged || timed;
}

}  // namespace sluice::daemon
