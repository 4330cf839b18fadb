// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/child_processes.hpp"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "sluice/units.hpp"

namespace sluice::apache {
namespace {

/// Tells the end of a child, if it has ended, and leaves it to be waited for.
bool look_at(pid_t pid, siginfo_t& end) noexcept {
  return ::waitid(P_PID, static_cast<id_t>(pid), &end, WEXITED | WNOHANG | WNOWAIT) == 0;
}

std::uint64_t microseconds_of(const timeval& time) noexcept {
  return static_cast<std::uint64_t>(time.tv_sec) * kUsPerSecond + static_cast<std::uint64_t>(time.tv_usec);
}

/// Waits for threads of a child that have ended and are traced by this process. The kernel keeps each of them until its
/// tracer has waited for it, and reports the end of the child only after that.
void wait_for_traced_threads(pid_t pid) noexcept {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/%d/task", static_cast<int>(pid));
  DIR* const folder = ::opendir(path);
  if (folder == nullptr) return;
  while (const dirent* const entry = ::readdir(folder)) {
    pid_t thread = 0;
    std::from_chars(entry->d_name, entry->d_name + std::strlen(entry->d_name), thread);
    if (thread > 0 && thread != pid) ::waitpid(thread, nullptr, __WALL | WNOHANG);
  }
  ::closedir(folder);
}

}  // namespace

SigchldBlocked::SigchldBlocked() noexcept {
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before_);
}

std::optional<ReapedChild> reap_exit_code(pid_t pid, std::span<const int> codes) noexcept {
  siginfo_t end{};
  if (!look_at(pid, end) || end.si_pid != pid || end.si_code != CLD_EXITED) return std::nullopt;
  if (std::find(codes.begin(), codes.end(), end.si_status) == codes.end()) return std::nullopt;
  rusage usage{};
  if (::wait4(pid, nullptr, WNOHANG, &usage) != pid) return std::nullopt;
  return ReapedChild{.code = end.si_status,
                     .cpu_us = microseconds_of(usage.ru_utime) + microseconds_of(usage.ru_stime)};
}

void signal_child(pid_t pid, int signal, int value) noexcept {
  siginfo_t end{};
  if (look_at(pid, end)) ::sigqueue(pid, signal, {.sival_int = value});
}

bool child_has_ended(pid_t pid) noexcept {
  int status = 0;
  const pid_t waited_pid = ::waitpid(pid, &status, WNOHANG);
  if (waited_pid < 0) return true;
  if (waited_pid == pid) return WIFEXITED(status) || WIFSIGNALED(status);
  wait_for_traced_threads(pid);
  return false;
}

}  // namespace sluice::apache
