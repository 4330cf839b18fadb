#include "adapters/apache/config/python_options.hpp"

#include <ap_release.h>

#include <algorithm>
#include <string_view>

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

wsgi::Runtime::Options python_options(const char* home, const char* path) {
  const ProcessConfig& config = process_config();
  if (home == nullptr) home = config.python_home;
  const auto* const groups = reinterpret_cast<const char* const*>(config.application_groups->elts);
  return {.program = SLUICE_PYTHON_PROGRAM,
          .home = home != nullptr ? home : "",
          .python_path = split_path(path != nullptr ? path : config.python_path),
          .optimize = config.optimize,
          .own_gil = config.own_gil != 0,
          .server = apache_facts(),
          .logs_collections = telemetry_settings().configured(),
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
