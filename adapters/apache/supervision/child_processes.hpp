// Signals to children of this process and waits for their end. A child may be hostile: it can have made its parent the
// tracer of its threads (PTRACE_TRACEME), which changes what the parent is told when it waits.
#pragma once

#include <sys/types.h>

namespace sluice::apache {

/// Sends a signal to a child that has not been waited for. A process id that is no such child's may be that of any
/// process by now, and is not signalled.
void signal_child(pid_t pid, int signal, int value = 0) noexcept;

/// Waits for a child without blocking. True once it has ended, or is no child; false while it runs or is stopped.
[[nodiscard]] bool child_has_ended(pid_t pid) noexcept;

}  // namespace sluice::apache
