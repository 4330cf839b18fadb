// Becoming another user for good.
#pragma once

#include "absl/status/status.h"
#include "adapters/daemon/daemon_options.hpp"

namespace sluice::daemon {

/// Drops the privileges of this process to the user and group of a process group: all ids, real, effective and saved,
/// and the supplementary groups. Then asks the kernel whether it is so. Does nothing where the process is no root's. On
/// any error the process must not go on.
[[nodiscard]] absl::Status drop_privileges(const DaemonOptions& options);

}  // namespace sluice::daemon
