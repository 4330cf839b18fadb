// How Python is started in a process, from the directives.
#pragma once

#include "adapters/daemon/group.hpp"
#include "adapters/wsgi/process/runtime.hpp"
#include "adapters/wsgi/request/environ.hpp"

namespace sluice::apache {

/// What is null is taken from the directives for the whole server.
[[nodiscard]] wsgi::Runtime::Options python_options(const char* home, const char* path);

/// The required owner of the scripts of a process group.
[[nodiscard]] wsgi::ScriptOwnerRule script_owner(const daemon::Group& group);

void set_server_version(wsgi::ServerFacts& facts);

}  // namespace sluice::apache
