// SPDX-License-Identifier: Apache-2.0
// The options with which Python starts in a process.
#pragma once

#include "adapters/daemon/daemon_options.hpp"
#include "adapters/wsgi/process/runtime.hpp"
#include "adapters/wsgi/request/environ.hpp"

namespace sluice::apache {

/// Returns the options for the processes of a group; null for the server's own processes. What the group leaves open is
/// as in the directives of the main server.
[[nodiscard]] wsgi::Runtime::Options python_options(const daemon::DaemonOptions* group);

/// Returns the required owner of the scripts of a process group.
[[nodiscard]] wsgi::ScriptOwnerRule script_owner(const daemon::DaemonOptions& options);

void set_server_version(wsgi::ServerFacts& facts);

}  // namespace sluice::apache
