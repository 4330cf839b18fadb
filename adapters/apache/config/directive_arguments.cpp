// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/directive_arguments.hpp"

#include <cstddef>
#include <cstring>
#include <string_view>

#include "adapters/apache/config/config_error.hpp"

namespace sluice::apache {

const char* next_option_or_empty(cmd_parms* cmd, const char*& line, Option& option) {
  const std::size_t length = std::strcspn(line, "= \t");
  if (length == 0 || line[length] != '=') return error(cmd, "an option must be name=value, not '", line, "'");
  option.name = apr_pstrmemdup(cmd->pool, line, length);
  line += length + 1;
  option.value = ap_getword_conf(cmd->pool, &line);
  return nullptr;
}

const char* next_option(cmd_parms* cmd, const char*& line, Option& option) {
  if (const char* const problem = next_option_or_empty(cmd, line, option)) return problem;
  return *option.value != '\0' ? nullptr : error(cmd, "option '", option.name, "' needs a value");
}

const char* parse_switch(cmd_parms* cmd, const char* value, int& result) {
  if (strcasecmp(value, "On") == 0) {
    result = 1;
  } else if (strcasecmp(value, "Off") == 0) {
    result = 0;
  } else {
    return error(cmd, "must be On or Off, not '", value, "'");
  }
  return nullptr;
}

const char* parse_alias_option(cmd_parms* cmd, const Option& option, Alias& alias) {
  const std::string_view name = option.name;
  if (name == "application-group") {
    alias.application_group = group_name(option.value);
  } else if (name == "process-group") {
    alias.process_group = group_name(option.value);
  } else if (name == "callable-object") {
    alias.callable = option.value;
  } else if (name == "pass-authorization") {
    return parse_switch(cmd, option.value, alias.pass_authorization);
  } else {
    return error(cmd, "unknown option '", option.name, "'");
  }
  return nullptr;
}

const char* group_name(const char* value) { return std::strcmp(value, "%{GLOBAL}") == 0 ? "" : value; }

bool has_expansion(const char* value) { return std::strstr(value, "%{") != nullptr; }

void note_application_group(const char* name) {
  if (name == nullptr || *name == '\0' || has_expansion(name)) return;
  *static_cast<const char**>(apr_array_push(process_config().application_groups)) = name;
}

const char* canonical(apr_pool_t* pool, const char* path) {
  char* merged = nullptr;
  const apr_status_t status = apr_filepath_merge(&merged, "/", path, APR_FILEPATH_TRUENAME, pool);
  return status == APR_SUCCESS ? merged : path;
}

}  // namespace sluice::apache
