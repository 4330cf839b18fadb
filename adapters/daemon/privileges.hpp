// SPDX-License-Identifier: Apache-2.0
// The irrevocable change of a process to another user.
#pragma once

#include "absl/status/status.h"
#include "adapters/daemon/daemon_options.hpp"

namespace sluice::daemon {

/// Drops the privileges of this process to the user and group in `options`: real, effective and saved ids and the
/// supplementary groups. Then verifies that the kernel has done so. Does nothing when the process does not run as root.
/// After an error the process must not continue.
[[nodiscard]] absl::Status drop_privileges(const DaemonOptions& options);

}  // namespace sluice::daemon
