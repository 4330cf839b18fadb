// SPDX-License-Identifier: Apache-2.0
// The values of the directives: for each server its aliases, for each directory how requests are served, and for the
// process how Python runs. All of them live in Apache's pools.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "adapters/apache/server/server.hpp"
#include "adapters/daemon/authentication.hpp"
#include "adapters/daemon/daemon_options.hpp"
#include "adapters/telemetry/reporter.hpp"

namespace sluice::apache {

inline constexpr int kUnset = -1;

/// WSGIScriptAlias, WSGIScriptAliasMatch. Options that are absent are null or kUnset.
struct Alias {
  ap_regex_t* pattern = nullptr;        ///< Null for WSGIScriptAlias.
  const char* location = nullptr;       ///< URL prefix, or the source of the pattern.
  const char* target = nullptr;         ///< File or directory.
  const char* process_group = nullptr;  ///< Empty for the server's own processes.
  const char* application_group = nullptr;
  const char* callable = nullptr;
  int pass_authorization = kUnset;  ///< 0, 1, or kUnset.
};

/// WSGIAuthUserScript, WSGIAuthGroupScript, WSGIAccessScript, WSGIDispatchScript: a script whose functions Apache calls
/// in its own processes.
struct ScriptFile {
  const char* path;
  const char* application_group;  ///< Empty for the main interpreter.
  bool in_htaccess;               ///< A .htaccess file names it.
};

struct ServerConfig {
  apr_array_header_t* aliases;  ///< Aliases (Alias) in the order of the configuration.
};

struct DirectoryConfig {
  apr_array_header_t* trusted_proxies;        ///< Networks (apr_ipsubnet_t*); null when every client is trusted.
  apr_array_header_t* trusted_proxy_headers;  ///< Names of variables (const char*); null when none is trusted.
  const char* process_group;
  const char* application_group;
  const char* callable;
  int script_reloading;
  int pass_authorization;
  int chunked_request;
  const ScriptFile* user_script;  ///< Null when there is none, as the three others.
  const ScriptFile* group_script;
  const ScriptFile* access_script;
  const ScriptFile* dispatch_script;
  apr_array_header_t* handler_scripts;  ///< WSGIHandlerScript: Alias, with the handler as `location`; null for none.
  int ignore_activity;
  int pass_request;                          ///< Embedded applications and called scripts get the request_rec.
  int error_override;                        ///< The server replaces error responses of daemon processes.
  int map_head_to_get;                       ///< 0, 1, or kUnset: only when a filter needs the body of the response.
  const apr_array_header_t* allowed_groups;  ///< WSGIRestrictProcess (const char*); null without a restriction.
};

/// A script that is loaded when a process starts.
struct Import {
  const char* path;
  const char* application_group;
  const char* process_group;  ///< Process group that loads it; empty for the server's own processes.
  const server_rec* server;   ///< The server or virtual host of the directive.
  bool is_application;        ///< The directive is an alias.
};

/// A process group: its options, and how requests reach its processes.
struct DaemonGroup {
  daemon::DaemonOptions options;
  const char* socket;           ///< Path of the socket; null before the server has started, and for a service process.
  const daemon::KeyRing* keys;  ///< The keys that sign requests; null when `socket` is.
  server_rec* server;  ///< The server or virtual host that defines the group; its log has lines without a request.
};

/// A Unix socket at which the server listens, beside the addresses of Listen.
struct ListenSocket {
  static constexpr int kMost = 16;
  static constexpr gid_t kServerGroup = static_cast<gid_t>(-2);

  const char* path;
  mode_t mode = 0660;
  gid_t group = kServerGroup;  ///< kServerGroup: the directive Group, if root starts the server.
};

enum TelemetryOption : int { kCaptureUserAgent = 1, kAllTelemetryOptions = kCaptureUserAgent };

/// A section <WSGIInterpreterOptions>: settings for some interpreters.
struct InterpreterOptions {
  /// Process group that the section selects; null for all processes, empty for the server's own.
  const char* process_group = nullptr;
  /// Application group that the section selects; null for all, empty for the main interpreter.
  const char* application_group = nullptr;
  int own_gil = kUnset;
  int free_threading = kUnset;   ///< For all of a process, so a section for an application group has none.
  double switch_interval = 0.0;  ///< Seconds; 0 when absent.
  const char* python_path = nullptr;
  int restrict_stdin = kUnset;
  int restrict_stdout = kUnset;
  int restrict_signal = kUnset;
};

/// The configuration of the whole server. Reset before each reading of the configuration.
struct ProcessConfig {
  const char* python_home;
  const char* python_path;  ///< Directories, separated by colons.
  const char* python_eggs;  ///< Value of PYTHON_EGG_CACHE in embedded mode.
  const char* hash_seed;    ///< A number or "random"; null for that of the environment.
  int optimize;
  int restrict_stdin;   ///< Use of sys.stdin raises OSError.
  int restrict_stdout;  ///< Use of sys.stdout raises OSError.
  int dont_write_bytecode;
  int keep_python;         ///< Python is not finalized when a process ends.
  double switch_interval;  ///< Seconds; 0 for Python's default.
  int own_gil;             ///< Each sub-interpreter has its own GIL.
  int free_threading;      ///< Python runs without a GIL.
  int server_metrics;
  int restrict_signal;                  ///< Applications cannot handle signals.
  int restrict_embedded;                ///< Applications run in daemon processes only.
  const char* socket_prefix;            ///< Null for the server's runtime directory.
  const char* telemetry_path;           ///< Path of the socket of the telemetry service; null when there is none.
  double telemetry_interval;            ///< Seconds.
  double slow_requests;                 ///< Seconds; negative when slow requests are not reported.
  double listed_requests;               ///< Seconds; negative when the metrics endpoint lists no requests.
  int telemetry_options;                ///< Bits of TelemetryOption.
  int interpreter_limit;                ///< Maximum number of sub-interpreters that requests can create in a process.
  apr_array_header_t* python_warnings;  ///< Elements are const char*, as for python -W.
  apr_array_header_t* interpreter_options;  ///< Elements: InterpreterOptions.
  apr_array_header_t* notes;  ///< Elements are const char*: see add_note(). Null once the configuration has been read.
  bool server_scripts;        ///< The server itself calls scripts in its own processes: see ScriptFile.
  apr_array_header_t* imports;         ///< Elements: Import.
  apr_array_header_t* daemons;         ///< Elements: DaemonGroup.
  apr_array_header_t* listen_sockets;  ///< Elements: ListenSocket.
  apr_array_header_t*
      application_groups;  ///< Elements are const char*: names of groups that directives give literally.
};

/// Sets the options of process groups that default to settings of the server. Call it in the hook post_config, when
/// these are known, before the user of a group is used. Idempotent.
void apply_server_defaults(const server_rec* server) noexcept;

/// Returns the number of groups that serve requests, unlike those of service processes.
[[nodiscard]] int count_serving_groups() noexcept;

/// Returns the group with this name; null when there is none.
[[nodiscard]] DaemonGroup* find_daemon_group(std::string_view name) noexcept;

/// Returns true when requests and scripts of a server may use a group: one of the main server, of the same virtual
/// host, or of a virtual host with the same name.
[[nodiscard]] bool may_use(const server_rec& server, const DaemonGroup& group) noexcept;

/// Returns the Unix sockets at which the server listens.
[[nodiscard]] std::span<const ListenSocket> listen_sockets() noexcept;

/// Returns the configuration that was read last.
[[nodiscard]] ProcessConfig& process_config() noexcept;

/// The settings of the external reporter, and the threshold of slow requests, as a process needs them.
[[nodiscard]] telemetry::Settings telemetry_settings();
[[nodiscard]] telemetry::Identity telemetry_identity();
[[nodiscard]] std::optional<std::uint64_t> slow_threshold_us() noexcept;

/// Returns the age from which on the metrics endpoint lists requests in flight; empty when it lists none.
[[nodiscard]] std::optional<std::uint64_t> listed_requests_ns() noexcept;

/// Resets the process configuration to the defaults. For the hook pre_config.
void reset_process_config(apr_pool_t* pool);

void* create_server_config(apr_pool_t* pool, server_rec* server);
void* merge_server_config(apr_pool_t* pool, void* base, void* added);
void* create_directory_config(apr_pool_t* pool, char* directory);
void* merge_directory_config(apr_pool_t* pool, void* base, void* added);

[[nodiscard]] inline ServerConfig& config_of(const server_rec* server) {
  return *static_cast<ServerConfig*>(ap_get_module_config(server->module_config, &wsgi_module));
}

[[nodiscard]] inline const DirectoryConfig& config_of(const request_rec* request) {
  return *static_cast<const DirectoryConfig*>(ap_get_module_config(request->per_dir_config, &wsgi_module));
}

}  // namespace sluice::apache
