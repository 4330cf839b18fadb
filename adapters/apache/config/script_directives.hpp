// SPDX-License-Identifier: Apache-2.0
// The directives that name scripts which Apache itself calls: for authentication, access, the choice of groups, and
// named handlers.
#pragma once

#include "adapters/apache/config/config.hpp"

namespace sluice::apache {

/// Parses a script with its options. Returns null, or an error.
[[nodiscard]] const char* parse_script_file(cmd_parms* cmd, const char* line, const ScriptFile*& script);

/// The handler of a directive that sets a script of a directory.
template <const ScriptFile* DirectoryConfig::*Member>
const char* script_file(cmd_parms* cmd, void* config, const char* line) {
  return parse_script_file(cmd, line, static_cast<DirectoryConfig*>(config)->*Member);
}

/// The handler of WSGIHandlerScript.
const char* handler_script(cmd_parms* cmd, void* config, const char* line);

}  // namespace sluice::apache
