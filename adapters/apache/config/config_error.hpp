// How the handlers of directives refuse.
#pragma once

#include "adapters/apache/server.hpp"

namespace sluice::apache {

/// A message for a configuration error. Apache adds file and line, and this the directive.
template <class... Parts>
const char* error(const cmd_parms* cmd, Parts... parts) {
  return apr_pstrcat(cmd->pool, cmd->cmd->name, ": ", parts..., nullptr);
}

/// Directives whose effect is on the whole process belong to the main server.
inline const char* only_in_main_server(cmd_parms* cmd) {
  return ap_check_cmd_context(cmd, GLOBAL_ONLY) == nullptr
             ? nullptr
             : error(cmd, "is allowed in the main server only, outside of any section");
}

}  // namespace sluice::apache
