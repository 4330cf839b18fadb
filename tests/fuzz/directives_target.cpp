// SPDX-License-Identifier: Apache-2.0
// Fuzzes the directives and their options, with lines of any bytes, and with definitions of daemon groups that the
// target wrote and understands. The parsers are the module's, with the real APR and with stand-ins for Apache.
#include "adapters/apache/config/directives.hpp"

#include <apr_general.h>
#include <strings.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "adapters/apache/config/config.hpp"
#include "tests/fuzz/apache_stand_ins.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace sluice;
using namespace sluice::apache;
using fuzz::Input;
using fuzz::require;

constexpr int kYears = 10 * 365 * 24 * 3600;

struct Limits {
  const char* option;
  int daemon::DaemonOptions::*member;
  int least;
  int most;
};

/// The documented limits; a size of a buffer may also be 0. A number beyond the largest is the largest, except for
/// numbers of processes and threads.
constexpr Limits kLimits[] = {
    {"processes", &daemon::DaemonOptions::processes, 1, 1000},
    {"threads", &daemon::DaemonOptions::threads, 0, 10'000},
    {"listen-backlog", &daemon::DaemonOptions::listen_backlog, 0, INT32_MAX},
    {"send-buffer-size", &daemon::DaemonOptions::send_buffer_size, 0, INT32_MAX},
    {"receive-buffer-size", &daemon::DaemonOptions::receive_buffer_size, 0, INT32_MAX},
    {"connect-timeout", &daemon::DaemonOptions::connect_timeout, 0, kYears},
    {"queue-timeout", &daemon::DaemonOptions::queue_timeout, 0, kYears},
    {"socket-timeout", &daemon::DaemonOptions::socket_timeout, 0, kYears},
    {"request-timeout", &daemon::DaemonOptions::request_timeout, 0, kYears},
    {"inactivity-timeout", &daemon::DaemonOptions::inactivity_timeout, 0, kYears},
    {"startup-timeout", &daemon::DaemonOptions::startup_timeout, 0, kYears},
    {"graceful-timeout", &daemon::DaemonOptions::graceful_timeout, 0, kYears},
    {"shutdown-timeout", &daemon::DaemonOptions::shutdown_timeout, 0, kYears},
    {"deadlock-timeout", &daemon::DaemonOptions::deadlock_timeout, 0, kYears},
    {"restart-interval", &daemon::DaemonOptions::restart_interval, 0, kYears},
    {"maximum-requests", &daemon::DaemonOptions::maximum_requests, 0, INT32_MAX},
};

/// A configuration that is being read: one server, virtual or not, one directory.
class Configuration {
 public:
  Configuration() {
    apr_pool_create(&pool_, nullptr);
    reset_process_config(pool_);
    server_.module_config = reinterpret_cast<ap_conf_vector_t*>(apr_pcalloc(pool_, 64 * sizeof(void*)));
    wsgi_module.module_index = 0;
    ap_set_module_config(server_.module_config, &wsgi_module, create_server_config(pool_, &server_));
    directory_ = static_cast<DirectoryConfig*>(create_directory_config(pool_, nullptr));
    cmd_.pool = cmd_.temp_pool = pool_;
    cmd_.server = &server_;
    cmd_.directive = &line_;
  }
  Configuration(const Configuration&) = delete;
  Configuration& operator=(const Configuration&) = delete;
  ~Configuration() { apr_pool_destroy(pool_); }

  void set_virtual(bool is_virtual) { server_.is_virtual = is_virtual ? 1 : 0; }

  /// Reads a line. Returns the error message, or null.
  const char* read(const std::string& line) {
    const std::size_t length = std::min(line.find_first_of(" \t"), line.size());
    const std::string name = line.substr(0, length);
    for (const command_rec* directive = kDirectives; directive->name != nullptr; ++directive) {
      if (::strcasecmp(directive->name, name.c_str()) != 0) continue;
      const std::size_t from = std::min(line.find_first_not_of(" \t", length), line.size());
      // A copy, because parsers must not keep pointers into the line.
      const std::string arguments = line.substr(from);
      const char* const error = fuzz::invoke(*directive, cmd_, directory_, apr_pstrdup(pool_, arguments.c_str()));
      require(error == nullptr || std::strncmp(error, directive->name, std::strlen(directive->name)) == 0,
              "a message names the directive", line);
      return error;
    }
    return "unknown";
  }

  [[nodiscard]] const DirectoryConfig& directory() const { return *directory_; }
  [[nodiscard]] server_rec& server() { return server_; }
  [[nodiscard]] apr_pool_t* pool() const { return pool_; }

 private:
  apr_pool_t* pool_ = nullptr;
  server_rec server_{};
  cmd_parms cmd_{};
  ap_directive_t line_{};
  DirectoryConfig* directory_ = nullptr;
};

template <class T>
std::vector<T> elements(const apr_array_header_t* array) {
  const T* const first = reinterpret_cast<const T*>(array->elts);
  return {first, first + array->nelts};
}

void check_groups() {
  std::set<std::string> names;
  for (const DaemonGroup& group : elements<DaemonGroup>(process_config().daemons)) {
    const daemon::DaemonOptions& options = group.options;
    require(*options.name != '\0' && names.insert(options.name).second, "a group has a name of its own");
    for (const Limits& limits : kLimits) {
      const int value = options.*limits.member;
      require(value >= limits.least && value <= limits.most, "a number is within its limits", limits.option);
    }
    require(options.memory_limit >= 0 && options.virtual_memory_limit >= 0, "a limit is 0 or more", options.name);
    require(options.switch_interval >= 0.0 && std::isfinite(options.switch_interval), "an interval is a time");
    require(options.uid != 0, "no group runs as root", options.name);
    require(options.umask >= -1 && options.umask <= 0777, "a umask has nine bits", options.name);
    require(options.home == nullptr || *options.home == '/', "a home is absolute", options.name);
    require(options.script_user == nullptr || options.script_group == nullptr, "one owner of scripts at most",
            options.name);
  }
}

bool is_switch(int value) { return value == kUnset || value == 0 || value == 1; }

void check_rest(const DirectoryConfig& directory) {
  const ProcessConfig& process = process_config();
  require(process.optimize >= 0 && process.optimize <= 9, "WSGIPythonOptimize is from 0 to 9");
  require(process.switch_interval >= 0.0 && std::isfinite(process.switch_interval), "an interval is a time");
  require(process.telemetry_interval >= 0.5 && process.telemetry_interval <= 1e9, "an interval can be waited for");
  const double slow = process.slow_requests;
  require(slow == -1.0 || (slow >= 0.0 && slow <= 1e9), "a threshold is a number of seconds");
  require((process.telemetry_options & ~kAllTelemetryOptions) == 0, "only known flags are set");
  require(process.telemetry_path == nullptr || *process.telemetry_path != '\0', "a path is not empty");
  for (const int value : {directory.script_reloading, directory.pass_authorization, directory.chunked_request,
                          directory.map_head_to_get, process.own_gil, process.server_metrics, process.restrict_embedded,
                          process.dont_write_bytecode, process.keep_python}) {
    require(is_switch(value), "a switch is on, off or unset");
  }
}

bool is_known(const char* group) {
  if (group == nullptr || *group == '\0' || std::strstr(group, "%{") != nullptr) return true;
  for (const DaemonGroup& defined : elements<DaemonGroup>(process_config().daemons)) {
    if (std::strcmp(defined.options.name, group) == 0) return true;
  }
  return false;
}

/// Whether a script may have to be loaded into the group of an alias at the start.
bool is_loaded_at_start(const Alias& alias) {
  const auto literal = [](const char* group) { return group != nullptr && std::strstr(group, "%{") == nullptr; };
  return literal(alias.process_group) && literal(alias.application_group) &&
         (alias.pattern == nullptr || std::strchr(alias.target, '$') == nullptr);
}

void check_references(Configuration& configuration) {
  bool known = true;
  for (const Alias& alias : elements<Alias>(config_of(&configuration.server()).aliases)) {
    require(*alias.location != '\0' && *alias.target != '\0', "an alias has a location and a target");
    require(is_switch(alias.pass_authorization), "a switch is on, off or unset");
    known = known && (!is_loaded_at_start(alias) || is_known(alias.process_group));
  }
  for (const Import& script : elements<Import>(process_config().imports)) {
    require(script.application_group != nullptr && script.process_group != nullptr, "an import has both groups");
    known = known && is_known(script.process_group);
  }
  apr_pool_t* const pool = configuration.pool();
  const int checked = check_configuration(pool, pool, pool, &configuration.server());
  require((checked == OK) == known, "a configuration is right when all groups are defined that it needs at the start");
}

/// Checks that each setting of an inner configuration overrides that of the outer one.
void check_merge(Configuration& configuration, const DirectoryConfig& base) {
  DirectoryConfig above = base;
  DirectoryConfig below = configuration.directory();
  const auto& merged = *static_cast<DirectoryConfig*>(merge_directory_config(configuration.pool(), &above, &below));
  const auto text = [](const char* own, const char* other) { return own != nullptr ? own : other; };
  const auto number = [](int own, int other) { return own != kUnset ? own : other; };
  require(merged.process_group == text(below.process_group, above.process_group), "process groups merge");
  require(merged.callable == text(below.callable, above.callable), "callables merge");
  require(merged.allowed_groups == (below.allowed_groups != nullptr ? below.allowed_groups : above.allowed_groups),
          "allowed groups merge");
  require(merged.chunked_request == number(below.chunked_request, above.chunked_request), "switches merge");
  require(merged.map_head_to_get == number(below.map_head_to_get, above.map_head_to_get), "switches merge");
}

void check_any_lines(Input& input) {
  Configuration configuration;
  std::string_view rest = input.rest();
  DirectoryConfig base = configuration.directory();
  while (!rest.empty()) {
    std::string line(rest.substr(0, rest.find('\n')));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    std::replace(line.begin(), line.end(), '\0', ' ');
    configuration.set_virtual(line.starts_with('@'));
    if (line.starts_with('@')) line.erase(0, 1);
    (void)configuration.read(line);
    if (line.empty()) base = configuration.directory();
  }
  configuration.set_virtual(false);
  check_groups();
  check_rest(configuration.directory());
  check_references(configuration);
  check_merge(configuration, base);
}

/// Returns the word in quotes, as a configuration must write it.
std::string quoted(const std::string& word) {
  std::string text = "\"";
  for (const char character : word) {
    if (character == '"' || character == '\\') text.push_back('\\');
    text.push_back(character);
  }
  return text + "\"";
}

std::string word_of(Input& input) {
  std::string word = input.text(40);
  for (char& character : word) character = character == '\0' || character == '\n' ? '_' : character;
  return word.empty() ? "x" : word;
}

void check_written_group(Input& input) {
  Configuration configuration;
  std::string name = word_of(input);
  name = name.find("%{") == std::string::npos ? name : "plain";
  std::string line = "WSGIDaemonProcess " + quoted(name);
  daemon::DaemonOptions expected;
  bool valid = true;
  for (std::size_t i = input.choice(8); i > 0; --i) {
    const Limits& limits = kLimits[input.choice(std::size(kLimits) - 1)];
    const auto value = static_cast<std::int64_t>(input.number()) * (input.choice(7) == 7 ? -1 : 1);
    line +=
        " " + std::string(limits.option) + "=" + (input.flag() ? quoted(std::to_string(value)) : std::to_string(value));
    const bool buffer = std::strstr(limits.option, "buffer-size") != nullptr;
    const bool strict = limits.most <= 10'000;
    valid = valid && value >= limits.least && !(strict && value > limits.most) && !(buffer && value > 0 && value < 512);
    if (valid) expected.*limits.member = static_cast<int>(std::min<std::int64_t>(value, limits.most));
  }
  if (input.flag()) {
    // The largest id means "no id" in system calls.
    const auto id = static_cast<gid_t>(input.integer(4));
    line += " group=#" + std::to_string(id);
    valid = valid && id != static_cast<gid_t>(-1);
    expected.gid = id;
  }
  const std::string home = "/" + word_of(input);
  const std::string title = word_of(input);
  line += " home=" + quoted(home) + " display-name=" + quoted(title);
  const char* const error = configuration.read(line);
  require((error == nullptr) == valid, "a definition is right when its numbers are within their limits", line);
  if (!valid) return;
  const DaemonGroup* const group = find_daemon_group(name);
  require(group != nullptr, "a group is found by its name", line);
  for (const Limits& limits : kLimits) {
    require(group->options.*limits.member == expected.*limits.member, "a number comes back", line);
  }
  require(group->options.gid == expected.gid, "the id of a group comes back", line);
  require(home == group->options.home && title == group->options.display_name, "a quoted text comes back", line);
  require(configuration.read(line) != nullptr, "a group cannot be defined twice", line);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  apr_initialize();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  if (input.flag()) {
    check_written_group(input);
  } else {
    check_any_lines(input);
  }
  return 0;
}
