// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/obsolete_directives.hpp"

#include <cstring>
#include <string>
#include <string_view>

#include "adapters/apache/config/config_error.hpp"
#include "adapters/apache/config/notes.hpp"

namespace sluice::apache {

const ObsoleteDirective kVerboseDebugging{"Off|On", "details are logged at 'LogLevel wsgi:debug'", true};
const ObsoleteDirective kAcceptMutex{"default|flock|fcntl|sysvsem|posixsem|pthread",
                                     "daemon processes accept requests without a lock", true};
const ObsoleteDirective kSocketRotation{
    "Off|On", "a process group keeps its socket through restarts, so that no request is lost", true};
const ObsoleteDirective kCaseSensitivity{"On|Off", "names of files are compared as the system does", true};
const ObsoleteDirective kGroupAuthoritative{"On|Off", "Apache 2.4 decides by its Require directives", false};

const char* obsolete_directive(cmd_parms* cmd, void*, const char* value) {
  const auto& directive = *static_cast<const ObsoleteDirective*>(cmd->info);
  if (directive.server_only) {
    if (const char* const problem = only_in_main_server(cmd)) return problem;
  }
  bool first = true;
  for (std::string_view rest = directive.values; !rest.empty(); first = false) {
    const std::size_t end = rest.find('|');
    const std::string word(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (strcasecmp(word.c_str(), value) != 0) continue;
    if (!first) add_note(apr_pstrcat(cmd->pool, cmd->cmd->name, " has no effect: ", directive.note, nullptr));
    return nullptr;
  }
  return error(cmd, "must be one of ", directive.values, ", not '", value, "'");
}

}  // namespace sluice::apache
