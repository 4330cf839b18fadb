// SPDX-License-Identifier: Apache-2.0
// Errors of directives.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// Returns the message of a configuration error, with the directive in front. Apache adds file and line.
template <class... Parts>
const char* error(const cmd_parms* cmd, Parts... parts) {
  return apr_pstrcat(cmd->pool, cmd->cmd->name, ": ", parts..., nullptr);
}

/// Returns an error when the directive stands in a section or a virtual host; null otherwise.
inline const char* only_in_main_server(cmd_parms* cmd) {
  return ap_check_cmd_context(cmd, GLOBAL_ONLY) == nullptr
             ? nullptr
             : error(cmd, "is allowed in the main server only, outside of any section");
}

}  // namespace sluice::apache
