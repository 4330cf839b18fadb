// SPDX-License-Identifier: Apache-2.0
// Signals to child processes, and waits for their end. A child may be hostile: it can make its parent the tracer of its
// threads (PTRACE_TRACEME), which changes the results of waitpid() in the parent.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>

namespace sluice::apache {

/// Blocks SIGCHLD on this thread for a scope, so that its handler waits for no child in it.
class SigchldBlocked {
 public:
  SigchldBlocked() noexcept;
  SigchldBlocked(const SigchldBlocked&) = delete;
  SigchldBlocked& operator=(const SigchldBlocked&) = delete;
  ~SigchldBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

/// The end of a child that has been waited for.
struct ReapedChild {
  int code;              ///< Its exit code.
  std::uint64_t cpu_us;  ///< The CPU time of the child, and of the children that it had waited for.
};

/// Waits for a child if it has ended with one of these exit codes; leaves it alone otherwise, and returns nothing.
/// Async-signal-safe.
[[nodiscard]] std::optional<ReapedChild> reap_exit_code(pid_t pid, std::span<const int> codes) noexcept;

/// Sends a signal to a child that has not been waited for. Does nothing for any other process id, which may belong to
/// an unrelated process by now.
void signal_child(pid_t pid, int signal, int value = 0) noexcept;

/// Waits for a child without blocking. Returns true when it has ended, or is not a child; false while it runs or is
/// stopped.
[[nodiscard]] bool child_has_ended(pid_t pid) noexcept;

}  // namespace sluice::apache
