// SPDX-License-Identifier: Apache-2.0
// A service process (threads=0): its scripts run on its main thread, one after the other, until they end or the process
// is told to end, which raises SystemExit in them.
#pragma once

#include <span>

#include "adapters/daemon/daemon_options.hpp"
#include "adapters/daemon/imported_script.hpp"
#include "adapters/daemon/shutdown_controller.hpp"
#include "adapters/wsgi/process/runtime.hpp"
#include "adapters/wsgi/process/thread.hpp"

namespace sluice::daemon {

/// Runs the scripts of a service process. Requests the end of the process when they have all ended and have left no
/// thread behind. Called on the main thread of the process, whose context is `thread`, while Python runs.
void run_service_scripts(const DaemonOptions& options, std::span<const ImportedScript> scripts, wsgi::Runtime& runtime,
                         wsgi::ThreadContext& thread, ShutdownController& shutdown);

}  // namespace sluice::daemon
