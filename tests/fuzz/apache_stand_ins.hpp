// Apache as the directives of the module see it while a configuration is read.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::fuzz {

/// Calls the handler of a directive with the arguments of its line; gives what is wrong, or null.
const char* invoke(const command_rec& directive, cmd_parms& cmd, void* directory, const char* arguments);

}  // namespace sluice::fuzz
