// SPDX-License-Identifier: Apache-2.0
// Signals to child processes, and waits for their end. A child may be hostile: it can make its parent the tracer of its
// threads (PTRACE_TRACEME), which changes the results of waitpid() in the parent.
#pragma once

#include <sys/types.h>

namespace sluice::apache {

/// Whether this is a child that has not been waited for.
[[nodiscard]] bool is_child(pid_t pid) noexcept;

/// Waits for a child if it has ended with this exit code, and returns true; leaves it alone otherwise.
/// Async-signal-safe.
[[nodiscard]] bool reap_exit_code(pid_t pid, int code) noexcept;

/// Sends a signal to a child that has not been waited for. Does nothing for any other process id, which may belong to
/// an unrelated process by now.
void signal_child(pid_t pid, int signal, int value = 0) noexcept;

/// Waits for a child without blocking. Returns true when it has ended, or is not a child; false while it runs or is
/// stopped.
[[nodiscard]] bool child_has_ended(pid_t pid) noexcept;

}  // namespace sluice::apache
