// The options with which Python starts in a process.
#pragma once

#include "adapters/daemon/daemon_options.hpp"
#include "adapters/wsgi/process/runtime.hpp"
#include "adapters/wsgi/request/environ.hpp"

namespace sluice::apache {

/// Returns the options. Arguments that are null default to the directives of the main server.
[[nodiscard]] wsgi::Runtime::Options python_options(const char* home, const char* path);

/// Returns the required owner of the scripts of a process group.
[[nodiscard]] wsgi::ScriptOwnerRule script_owner(const daemon::DaemonOptions& options);

void set_server_version(wsgi::ServerFacts& facts);

}  // namespace sluice::apache
