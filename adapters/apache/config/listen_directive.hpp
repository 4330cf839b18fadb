// SPDX-License-Identifier: Apache-2.0
// The directive of Unix sockets at which the server listens.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// WSGIListenSocket PATH [mode=MODE] [group=NAME]
const char* listen_socket(cmd_parms* cmd, void* config, const char* line);

}  // namespace sluice::apache
