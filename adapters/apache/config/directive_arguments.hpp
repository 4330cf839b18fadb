// SPDX-License-Identifier: Apache-2.0
// The arguments of directives: options, switches, names of groups, paths of scripts.
#pragma once

#include "adapters/apache/config/config.hpp"

namespace sluice::apache {

/// One name=value of a line.
struct Option {
  const char* name = nullptr;
  const char* value = nullptr;
};

/// Parses the next option of a line. Returns null, or an error. The value may be quoted.
[[nodiscard]] const char* next_option(cmd_parms* cmd, const char*& line, Option& option);

/// Parses an option as next_option() does, and accepts an empty value.
[[nodiscard]] const char* next_option_or_empty(cmd_parms* cmd, const char*& line, Option& option);

/// Parses On or Off as 1 or 0. Returns null, or an error.
[[nodiscard]] const char* parse_switch(cmd_parms* cmd, const char* value, int& result);

/// Sets an option of WSGIScriptAlias or WSGIHandlerScript. Returns null, or an error.
[[nodiscard]] const char* parse_alias_option(cmd_parms* cmd, const Option& option, Alias& alias);

/// Returns the name of a group as requests have it, which is empty for %{GLOBAL}.
[[nodiscard]] const char* group_name(const char* value);

/// Whether a name contains %{...}, which has a value only while a request is served.
[[nodiscard]] bool has_expansion(const char* value);

/// Records an application group that the configuration names. WSGIInterpreterLimit does not apply to these, because no
/// client can choose them. Not for .htaccess files, which are read while requests are served.
void note_application_group(const char* name);

/// Returns the path of a script in the form that requests have, so that a file has one module however the path is
/// spelled.
[[nodiscard]] const char* canonical(apr_pool_t* pool, const char* path);

}  // namespace sluice::apache
