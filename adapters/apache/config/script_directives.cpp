// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/script_directives.hpp"

#include <cstring>
#include <new>
#include <string_view>

#include "adapters/apache/config/config_error.hpp"
#include "adapters/apache/config/directive_arguments.hpp"

namespace sluice::apache {
namespace {

constexpr const char* kHandlerCallable = "handle_request";

/// Returns the entry for a handler in a list of the same section, which a later directive replaces; a new one when
/// there is none.
Alias& entry_for(cmd_parms* cmd, DirectoryConfig& config, const char* name) {
  if (config.handler_scripts == nullptr) config.handler_scripts = apr_array_make(cmd->pool, 2, sizeof(Alias));
  for (int i = 0; i < config.handler_scripts->nelts; ++i) {
    Alias& entry = reinterpret_cast<Alias*>(config.handler_scripts->elts)[i];
    if (std::strcmp(entry.location, name) == 0) return entry;
  }
  return *static_cast<Alias*>(apr_array_push(config.handler_scripts));
}

}  // namespace

const char* parse_script_file(cmd_parms* cmd, const char* line, const ScriptFile*& script) {
  const char* const path = ap_getword_conf(cmd->pool, &line);
  if (*path == '\0') return error(cmd, "requires a file");
  const bool in_htaccess = ap_check_cmd_context(cmd, NOT_IN_HTACCESS) != nullptr;
  ScriptFile parsed{canonical(cmd->pool, path), "", in_htaccess};
  while (*line != '\0') {
    Option option;
    if (const char* const problem = next_option(cmd, line, option)) return problem;
    if (std::string_view(option.name) != "application-group") return error(cmd, "unknown option '", option.name, "'");
    parsed.application_group = group_name(option.value);
  }
  script = ::new (apr_palloc(cmd->pool, sizeof(ScriptFile))) ScriptFile(parsed);
  if (in_htaccess) return nullptr;  // requests are served already, so what all processes share stays as it is
  note_application_group(parsed.application_group);
  process_config().server_scripts = true;
  return nullptr;
}

const char* handler_script(cmd_parms* cmd, void* config, const char* line) {
  Alias handler;
  handler.location = ap_getword_conf(cmd->pool, &line);
  const char* const path = ap_getword_conf(cmd->pool, &line);
  if (*handler.location == '\0' || *path == '\0') return error(cmd, "requires the name of a handler and a file");
  handler.target = canonical(cmd->pool, path);
  while (*line != '\0') {
    Option option;
    if (const char* const problem = next_option(cmd, line, option)) return problem;
    if (std::string_view(option.name) == "callable-object")
      return error(cmd, "has no option 'callable-object', because the callable is ", kHandlerCallable, "()");
    if (const char* const problem = parse_alias_option(cmd, option, handler)) return problem;
  }
  handler.callable = kHandlerCallable;
  note_application_group(handler.application_group);
  entry_for(cmd, *static_cast<DirectoryConfig*>(config), handler.location) = handler;
  return nullptr;
}

}  // namespace sluice::apache
