// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/own_log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <initializer_list>

namespace sluice::apache {
namespace {

/// Whether a descriptor is of a file or a pipe, which can be opened again.
bool can_be_reopened(int descriptor) noexcept {
  struct stat info {};
  return ::fstat(descriptor, &info) == 0 && (S_ISREG(info.st_mode) || S_ISFIFO(info.st_mode));
}

/// Opens for writing by the name that the kernel has for an open file, also after the file was renamed or removed.
/// Returns -1 after an error.
int reopen(int descriptor) noexcept {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  // Without O_NONBLOCK this would wait for a reader of the pipe when its program has ended.
  const int opened = ::open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (opened >= 0) ::fcntl(opened, F_SETFL, O_APPEND);
  return opened;
}

/// Puts what `from` is open for in the place of `descriptor`, with its flag about execve().
bool replace(int from, int descriptor) noexcept {
  const int flags = ::fcntl(descriptor, F_GETFD);
  return ::dup3(from, descriptor, flags >= 0 && (flags & FD_CLOEXEC) != 0 ? O_CLOEXEC : 0) >= 0;
}

void give_null(int descriptor) noexcept {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) {
    ::close(descriptor);
  } else if (null != descriptor) {
    ::dup2(null, descriptor);
    ::close(null);
  }
}

/// Keeps a terminal for writing only, because who may read it sees what is typed there; none where that cannot be done.
void make_write_only(int terminal) noexcept {
  const int opened = reopen(terminal);
  if (opened < 0 || !replace(opened, terminal)) give_null(terminal);
  if (opened >= 0) ::close(opened);
}

}  // namespace

void own_open_log(int descriptor, const server_rec* server) noexcept {
  if (!can_be_reopened(descriptor)) return;
  const int opened = reopen(descriptor);
  const bool replaced = opened >= 0 && replace(opened, descriptor);
  const int error = errno;
  if (opened >= 0) ::close(opened);
  if (replaced) return;
  ap_log_error(
      APLOG_MARK, APLOG_WARNING, error, server,
      "SLC0484: a daemon process shares the open file of the error log with the server, because it cannot open "
      "it again through /proc; an application in it could make writes to the log fail; mount /proc, or log "
      "through a program");
}

void give_standard_streams(int log) noexcept {
  give_null(STDIN_FILENO);
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
    if (log == stream) continue;
    if (log >= 0 && (stream == STDERR_FILENO || can_be_reopened(stream))) {
      ::dup2(log, stream);
    } else if (can_be_reopened(stream)) {
      give_null(stream);
    } else if (::isatty(stream) != 0) {
      make_write_only(stream);
    }
  }
}

}  // namespace sluice::apache
