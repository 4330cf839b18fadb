#include "adapters/apache/config/python_options.hpp"

#include <ap_release.h>

#include <string_view>

#include "adapters/apache/config/config.hpp"

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

}  // namespace

wsgi::Runtime::Options python_options(const char* home, const char* path) {
  const ProcessConfig& config = process_config();
  if (home == nullptr) home = config.python_home;
  const auto* const groups = reinterpret_cast<const char* const*>(config.application_groups->elts);
  return {.program = SLUICE_PYTHON_PROGRAM,
          .home = home != nullptr ? home : "",
          .python_path = split_path(path != nullptr ? path : config.python_path),
          .optimize = config.optimize,
          .own_gil = config.own_gil != 0,
          .restrict_stdin = config.restrict_stdin != 0,
          .restrict_stdout = config.restrict_stdout != 0,
          .interpreter_limit = static_cast<std::size_t>(config.interpreter_limit),
          .application_groups = {groups, groups + config.application_groups->nelts}};
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
