// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/python_directives.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>

#include "absl/strings/numbers.h"
#include "adapters/apache/config/config.hpp"
#include "adapters/apache/config/config_error.hpp"
#include "adapters/apache/config/directive_arguments.hpp"
#include "adapters/apache/config/notes.hpp"
#include "adapters/apache/config/numbers.hpp"
#include "adapters/wsgi/process/runtime.hpp"

namespace sluice::apache {
namespace {

constexpr const char* kSection = "<WSGIInterpreterOptions";

/// Python counts no further levels.
constexpr std::int64_t kMostOptimized = 9;

/// Returns the section around a directive; null when there is none.
InterpreterOptions* section_around(const cmd_parms* cmd) {
  for (const ap_directive_t* parent = cmd->directive->parent; parent != nullptr; parent = parent->parent) {
    if (strcasecmp(parent->directive, kSection) == 0) return static_cast<InterpreterOptions*>(parent->data);
  }
  return nullptr;
}

/// Sets a switch of the section around a directive, or of all interpreters.
const char* interpreter_switch(cmd_parms* cmd, const char* value, int ProcessConfig::*everywhere,
                               int InterpreterOptions::*selected) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  InterpreterOptions* const section = section_around(cmd);
  return parse_switch(cmd, value, section != nullptr ? section->*selected : process_config().*everywhere);
}

const char* set_once(cmd_parms* cmd, const Option& option, const char*& selector) {
  if (selector != nullptr) return error(cmd, "'", option.name, "' is given twice");
  selector = group_name(option.value);
  return nullptr;
}

}  // namespace

const char* python_home(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  const char* const prefix = apr_pstrmemdup(cmd->pool, value, std::strcspn(value, ":"));
  struct stat info {};
  if (*prefix != '\0' && (::stat(prefix, &info) != 0 || !S_ISDIR(info.st_mode))) {
    add_note(apr_pstrcat(cmd->pool, "WSGIPythonHome '", prefix,
                         "' is not a directory, so that Python cannot start in it; create it, or correct the path",
                         nullptr));
  }
  process_config().python_home = value;
  return nullptr;
}

const char* python_eggs(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  process_config().python_eggs = value;
  return nullptr;
}

const char* python_hash_seed(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  std::uint32_t number = 0;
  if (*value != '\0' && std::string_view(value) != "random" && !absl::SimpleAtoi(value, &number)) {
    return error(cmd, "must be 'random' or a number from 0 to 4294967295, not '", value, "'");
  }
  process_config().hash_seed = value;
  return nullptr;
}

const char* python_optimize(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  std::int64_t level = 0;
  if (!parse_number(cmd->pool, cmd->cmd->name, value, level) || level < 0) {
    return error(cmd, "must be a number from 0 on, not '", value, "'");
  }
  process_config().optimize = static_cast<int>(std::min(level, kMostOptimized));
  return nullptr;
}

const char* python_warnings(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  *static_cast<const char**>(apr_array_push(process_config().python_warnings)) = value;
  return nullptr;
}

const char* dont_write_bytecode(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  return parse_switch(cmd, value, process_config().dont_write_bytecode);
}

const char* destroy_interpreter(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  int destroyed = 1;
  if (const char* const problem = parse_switch(cmd, value, destroyed)) return problem;
  process_config().keep_python = destroyed == 0;
  return nullptr;
}

const char* interpreter_options(cmd_parms* cmd, void*, const char* line) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  const char* const end = std::strrchr(line, '>');
  if (end == nullptr) return error(cmd, "the closing '>' is missing");
  const char* selectors = apr_pstrmemdup(cmd->pool, line, static_cast<std::size_t>(end - line));
  auto* const section = ::new (apr_palloc(cmd->pool, sizeof(InterpreterOptions))) InterpreterOptions();
  while (*selectors != '\0') {
    Option option;
    if (const char* const problem = next_option_or_empty(cmd, selectors, option)) return problem;
    const bool of_process = strcasecmp(option.name, "process-group") == 0;
    if (!of_process && strcasecmp(option.name, "application-group") != 0) {
      return error(cmd, "selects by 'process-group' and 'application-group', not by '", option.name, "'");
    }
    if (const char* const problem =
            set_once(cmd, option, of_process ? section->process_group : section->application_group)) {
      return problem;
    }
  }
  cmd->directive->data = section;
  const char* const problem = ap_walk_config(cmd->directive->first_child, cmd, cmd->server->lookup_defaults);
  *static_cast<InterpreterOptions*>(apr_array_push(process_config().interpreter_options)) = *section;
  return problem;
}

const char* python_path(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  InterpreterOptions* const section = section_around(cmd);
  (section != nullptr ? section->python_path : process_config().python_path) = value;
  return nullptr;
}

const char* switch_interval(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  double seconds = 0.0;
  if (!parse_interval(value, seconds)) return error(cmd, "must be a number of seconds above 0, not '", value, "'");
  InterpreterOptions* const section = section_around(cmd);
  (section != nullptr ? section->switch_interval : process_config().switch_interval) = seconds;
  return nullptr;
}

const char* per_interpreter_gil(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  InterpreterOptions* const section = section_around(cmd);
  int& own_gil = section != nullptr ? section->own_gil : process_config().own_gil;
  if (const char* const problem = parse_switch(cmd, value, own_gil)) return problem;
  if (own_gil == 0 || wsgi::Runtime::has_own_gil()) return nullptr;
  own_gil = 0;
  ap_log_error(
      APLOG_MARK, APLOG_WARNING, 0, cmd->server,
      "SLC0400: %s has no effect, because this module embeds a Python older than 3.12: sub-interpreters share one GIL; "
      "remove the directive, or use a module built for Python 3.12 or later",
      cmd->cmd->name);
  return nullptr;
}

const char* restrict_stdin(cmd_parms* cmd, void*, const char* value) {
  return interpreter_switch(cmd, value, &ProcessConfig::restrict_stdin, &InterpreterOptions::restrict_stdin);
}

const char* restrict_stdout(cmd_parms* cmd, void*, const char* value) {
  return interpreter_switch(cmd, value, &ProcessConfig::restrict_stdout, &InterpreterOptions::restrict_stdout);
}

const char* restrict_signal(cmd_parms* cmd, void*, const char* value) {
  return interpreter_switch(cmd, value, &ProcessConfig::restrict_signal, &InterpreterOptions::restrict_signal);
}

const char* free_threading(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  int setting = 0;
  if (const char* const problem = parse_switch(cmd, value, setting)) return problem;
  InterpreterOptions* const section = section_around(cmd);
  if (section != nullptr && section->application_group != nullptr) {
    add_note(
        apr_pstrcat(cmd->pool, cmd->cmd->name,
                    " has no effect for an application group, because all interpreters of a process run with a GIL, or "
                    "all without; give it for a process group",
                    nullptr));
    return nullptr;
  }
  if (setting != 0 && !wsgi::Runtime::has_free_threading()) {
    add_note(
        apr_pstrcat(cmd->pool, cmd->cmd->name,
                    " has no effect, because this module embeds a Python with a GIL; build it for a Python that is "
                    "configured with --disable-gil",
                    nullptr));
    return nullptr;
  }
  (section != nullptr ? section->free_threading : process_config().free_threading) = setting;
  return nullptr;
}

}  // namespace sluice::apache
