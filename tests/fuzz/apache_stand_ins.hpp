// SPDX-License-Identifier: Apache-2.0
// Stand-ins for the parts of Apache that the directives of the module use while a configuration is read.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::fuzz {

/// Calls the handler of a directive with the arguments of its line. Returns the error message, or null.
const char* invoke(const command_rec& directive, cmd_parms& cmd, void* directory, const char* arguments);

}  // namespace sluice::fuzz
