// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/python_options.hpp"

#include <ap_release.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/server/mpm.hpp"

namespace sluice::apache {
namespace {

std::vector<std::string> split_path(const char* path) {
  std::vector<std::string> directories;
  std::string_view rest = path != nullptr ? path : "";
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    if (colon != 0) directories.emplace_back(rest.substr(0, colon));
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  return directories;
}

std::string text(const char* value) { return value != nullptr ? value : ""; }

std::vector<std::string> strings(const apr_array_header_t* array) {
  const auto* const begin = reinterpret_cast<const char* const*>(array->elts);
  return {begin, begin + array->nelts};
}

wsgi::InterpreterRule rule_of(const InterpreterOptions& section) {
  wsgi::InterpreterRule rule;
  if (section.application_group != nullptr) rule.application_group = section.application_group;
  rule.specificity = (section.process_group != nullptr ? 1 : 0) + (section.application_group != nullptr ? 1 : 0);
  if (section.own_gil != kUnset) rule.own_gil = section.own_gil != 0;
  if (section.switch_interval > 0.0) rule.switch_interval = section.switch_interval;
  rule.python_path = split_path(section.python_path);
  if (section.restrict_stdin != kUnset) rule.restrict_stdin = section.restrict_stdin != 0;
  if (section.restrict_stdout != kUnset) rule.restrict_stdout = section.restrict_stdout != 0;
  if (section.restrict_signal != kUnset) rule.restrict_signal = section.restrict_signal != 0;
  return rule;
}

/// Returns what the sections of the configuration say about the interpreters of a process. `group` is null for the
/// server's own processes.
wsgi::InterpreterRules interpreter_rules(const daemon::DaemonOptions* group) {
  const ProcessConfig& config = process_config();
  const std::string_view name = group != nullptr ? group->name : "";
  const bool has_path = group != nullptr && group->python_path != nullptr;
  const bool has_interval = group != nullptr && group->switch_interval > 0.0;
  wsgi::InterpreterSettings base{.own_gil = config.own_gil != 0,
                                 .switch_interval = has_interval ? group->switch_interval : config.switch_interval,
                                 .interval_is_of_group = false,
                                 .python_path = split_path(has_path ? group->python_path : config.python_path),
                                 .restrict_stdin = config.restrict_stdin != 0,
                                 .restrict_stdout = config.restrict_stdout != 0,
                                 .restrict_signal = config.restrict_signal != 0};
  std::vector<wsgi::InterpreterRule> rules;
  for (int i = 0; i < config.interpreter_options->nelts; ++i) {
    const auto& section = reinterpret_cast<const InterpreterOptions*>(config.interpreter_options->elts)[i];
    if (section.process_group == nullptr || name == section.process_group) rules.push_back(rule_of(section));
  }
  return {std::move(base), std::move(rules)};
}

/// Whether Python runs without a GIL in a process. A section for its process group has precedence, then the later one.
bool free_threading(const daemon::DaemonOptions* group) {
  const ProcessConfig& config = process_config();
  const std::string_view name = group != nullptr ? group->name : "";
  int setting[2] = {config.free_threading, kUnset};  // for all processes, for this group
  for (int i = 0; i < config.interpreter_options->nelts; ++i) {
    const auto& section = reinterpret_cast<const InterpreterOptions*>(config.interpreter_options->elts)[i];
    const bool of_group = section.process_group != nullptr;
    if (section.free_threading == kUnset || (of_group && name != section.process_group)) continue;
    setting[of_group ? 1 : 0] = section.free_threading;
  }
  return (setting[1] != kUnset ? setting[1] : setting[0]) == 1;
}

wsgi::ApacheFacts apache_facts() {
  ap_version_t version;
  ap_get_server_revision(&version);
  const int processes = ask_mpm(AP_MPMQ_MAX_DAEMON_USED);
  return {.version = {version.major, version.minor, version.patch},
          .maximum_processes = std::max(processes > 0 ? processes : ask_mpm(AP_MPMQ_MAX_DAEMONS), 1),
          .threads_per_process = std::max(ask_mpm(AP_MPMQ_MAX_THREADS), 1),
          .description = ap_get_server_description(),
          .mpm_name = ap_show_mpm(),
          .build_date = ap_get_server_built()};
}

}  // namespace

wsgi::Runtime::Options python_options(const daemon::DaemonOptions* group) {
  const ProcessConfig& config = process_config();
  const char* const home = group != nullptr && group->python_home != nullptr ? group->python_home : config.python_home;
  const char* const eggs = group != nullptr ? group->python_eggs : config.python_eggs;
  return {.program = SLUICE_PYTHON_PROGRAM,
          .home = text(home),
          .script_home = text(group != nullptr ? group->home : nullptr),
          .egg_cache = text(eggs),
          .hash_seed = text(config.hash_seed),
          .warnings = strings(config.python_warnings),
          .optimize = config.optimize,
          .free_threading = free_threading(group),
          .write_bytecode = config.dont_write_bytecode == 0,
          .finalize = config.keep_python == 0,
          .interpreters = interpreter_rules(group),
          .server = apache_facts(),
          .logs_collections = telemetry_settings().configured(),
          .interpreter_limit = static_cast<std::size_t>(config.interpreter_limit),
          .application_groups = strings(config.application_groups)};
}

wsgi::ScriptOwnerRule script_owner(const daemon::DaemonOptions& options) {
  wsgi::ScriptOwnerRule rule;
  if (options.script_user != nullptr) rule.user = options.script_uid;
  if (options.script_group != nullptr) rule.group = options.script_gid;
  return rule;
}

void set_server_version(wsgi::ServerFacts& facts) {
  ap_version_t version;
  ap_get_server_revision(&version);
  facts.server_version[0] = version.major;
  facts.server_version[1] = version.minor;
  facts.server_version[2] = version.patch;
}

}  // namespace sluice::apache
