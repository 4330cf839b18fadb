// SPDX-License-Identifier: Apache-2.0
// A filter of system calls that keeps the children of a daemon process its own. Without it, a process can make a
// sibling with clone(CLONE_PARENT), which is a child of the server's parent and stops the server by its exit code.
#pragma once

#include "absl/status/status.h"

namespace sluice::daemon {

/// Has clone() with CLONE_PARENT fail with EPERM, and clone3(), whose flags a filter cannot read, with ENOSYS, after
/// which the C library uses clone(). Every other call is allowed. The filter is inherited by all processes and programs
/// that this process starts, and cannot be removed. Does not set no_new_privs, so it needs CAP_SYS_ADMIN. Returns an
/// error when the kernel refuses the filter, or there is none for the architecture.
[[nodiscard]] absl::Status refuse_siblings() noexcept;

}  // namespace sluice::daemon
