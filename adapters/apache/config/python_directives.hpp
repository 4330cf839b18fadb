// SPDX-License-Identifier: Apache-2.0
// The directives about Python itself, and the section that limits some of them to a part of the interpreters.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

const char* python_home(cmd_parms* cmd, void* config, const char* value);
const char* python_eggs(cmd_parms* cmd, void* config, const char* value);
const char* python_hash_seed(cmd_parms* cmd, void* config, const char* value);
const char* python_optimize(cmd_parms* cmd, void* config, const char* value);
const char* python_warnings(cmd_parms* cmd, void* config, const char* value);
const char* dont_write_bytecode(cmd_parms* cmd, void* config, const char* value);
const char* destroy_interpreter(cmd_parms* cmd, void* config, const char* value);

/// <WSGIInterpreterOptions [process-group=NAME] [application-group=NAME]>
const char* interpreter_options(cmd_parms* cmd, void* config, const char* line);

// These stand in the main server or in the section.
const char* python_path(cmd_parms* cmd, void* config, const char* value);
const char* switch_interval(cmd_parms* cmd, void* config, const char* value);
const char* per_interpreter_gil(cmd_parms* cmd, void* config, const char* value);
const char* restrict_stdin(cmd_parms* cmd, void* config, const char* value);
const char* restrict_stdout(cmd_parms* cmd, void* config, const char* value);
const char* restrict_signal(cmd_parms* cmd, void* config, const char* value);
const char* free_threading(cmd_parms* cmd, void* config, const char* value);

}  // namespace sluice::apache
