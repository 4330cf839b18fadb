// SPDX-License-Identifier: Apache-2.0
// The directory, environment, locale and limits that a daemon process has when Python starts.
#pragma once

#include "absl/status/status.h"
#include "adapters/daemon/daemon_options.hpp"
#include "sluice/log.hpp"

namespace sluice::daemon {

/// Sets the CPU priority. Raising it needs root, so call it before privileges are dropped. A failure is logged, and the
/// process continues with the priority that it has.
void set_cpu_priority(const DaemonOptions& options, const LogSink& log);

/// Sets the umask, the working directory, the environment of the user, the locale and the limits on memory. Call it
/// after privileges are dropped, because the user of the process decides. An error means that the process cannot enter
/// its directory; a missing locale and a refused limit are logged, and the process continues without.
[[nodiscard]] absl::Status enter_surroundings(const DaemonOptions& options, const LogSink& log);

}  // namespace sluice::daemon
