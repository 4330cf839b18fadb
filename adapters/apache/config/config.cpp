// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/config.hpp"

#include <ap_mpm.h>
#include <unixd.h>

#include <algorithm>
#include <new>

#include "adapters/daemon/time_limits.hpp"
#include "adapters/wsgi/process/runtime.hpp"
#include "sluice/units.hpp"

namespace sluice::apache {
namespace {

constinit ProcessConfig current{};

/// The version of mod_wsgi whose interface this module has, and the version of this module.
constexpr const char* kModuleVersion = "6.1.1 (Sluice " SLUICE_VERSION ")";

template <class T>
T* make(apr_pool_t* pool) {
  return ::new (apr_pcalloc(pool, sizeof(T))) T();
}

template <class T>
T* chosen(T* added, T* base) {
  return added != nullptr ? added : base;
}
int chosen(int added, int base) { return added != kUnset ? added : base; }

/// Puts the handlers of an inner section before those of the outer one, because the first of a name is taken.
apr_array_header_t* merged_handlers(apr_pool_t* pool, apr_array_header_t* added, apr_array_header_t* base) {
  return added != nullptr && base != nullptr ? apr_array_append(pool, added, base) : chosen(added, base);
}

}  // namespace

ProcessConfig& process_config() noexcept { return current; }

void reset_process_config(apr_pool_t* pool) {
  current = {};
  current.telemetry_interval = 1.0;
  current.slow_requests = -1.0;
  current.listed_requests = -1.0;
  current.restrict_signal = 1;
  current.imports = apr_array_make(pool, 4, sizeof(Import));
  current.application_groups = apr_array_make(pool, 8, sizeof(const char*));
  current.interpreter_limit = static_cast<int>(wsgi::Runtime::Options::kInterpreterLimit);
  current.python_warnings = apr_array_make(pool, 4, sizeof(const char*));
  current.interpreter_options = apr_array_make(pool, 4, sizeof(InterpreterOptions));
  current.notes = apr_array_make(pool, 8, sizeof(const char*));
  current.daemons = apr_array_make(pool, 4, sizeof(DaemonGroup));
  current.listen_sockets = apr_array_make(pool, 1, sizeof(ListenSocket));
}

telemetry::Settings telemetry_settings() {
  return {.path = current.telemetry_path != nullptr ? current.telemetry_path : "",
          .interval = current.telemetry_interval};
}

telemetry::Identity telemetry_identity() {
  telemetry::Identity identity;
  identity.module_version = kModuleVersion;
  identity.server_version = AP_SERVER_BASEVERSION;
  identity.mpm_name = ap_show_mpm();
  return identity;
}

std::optional<std::uint64_t> slow_threshold_us() noexcept {
  if (current.slow_requests < 0.0) return std::nullopt;
  return static_cast<std::uint64_t>(current.slow_requests * kUsPerSecond);
}

std::optional<std::uint64_t> listed_requests_ns() noexcept {
  if (current.listed_requests < 0.0) return std::nullopt;
  return static_cast<std::uint64_t>(current.listed_requests * kNsPerSecond);
}

void apply_server_defaults(const server_rec* server) noexcept {
  for (int i = 0; i < current.daemons->nelts; ++i) {
    daemon::DaemonOptions& options = reinterpret_cast<DaemonGroup*>(current.daemons->elts)[i].options;
    if (options.uid == daemon::DaemonOptions::kServerUser) {
      options.uid = ap_unixd_config.user_id;
      options.user = ap_unixd_config.user_name;
    }
    options.other_user = options.uid != ap_unixd_config.user_id;
    if (options.gid == daemon::DaemonOptions::kServerGroup) options.gid = ap_unixd_config.group_id;
    if (options.socket_timeout == 0) options.socket_timeout = static_cast<int>(apr_time_sec(server->timeout));
    if (options.exchange_timeout == 0) options.exchange_timeout = daemon::default_exchange_timeout(options);
  }
}

std::span<const ListenSocket> listen_sockets() noexcept {
  const apr_array_header_t* const sockets = current.listen_sockets;
  return {reinterpret_cast<const ListenSocket*>(sockets->elts), static_cast<std::size_t>(sockets->nelts)};
}

DaemonGroup* find_daemon_group(std::string_view name) noexcept {
  for (int i = 0; i < current.daemons->nelts; ++i) {
    auto& group = reinterpret_cast<DaemonGroup*>(current.daemons->elts)[i];
    if (name == group.options.name) return &group;
  }
  return nullptr;
}

int count_serving_groups() noexcept {
  const auto* const groups = reinterpret_cast<const DaemonGroup*>(current.daemons->elts);
  return static_cast<int>(std::count_if(groups, groups + current.daemons->nelts,
                                        [](const DaemonGroup& group) { return group.options.serves(); }));
}

bool may_use(const server_rec& server, const DaemonGroup& group) noexcept {
  if (group.server == &server || group.server->is_virtual == 0) return true;
  const char* const name = server.server_hostname;
  const char* const group_name = group.server->server_hostname;
  return name != nullptr && group_name != nullptr && strcasecmp(name, group_name) == 0;
}

void* create_server_config(apr_pool_t* pool, server_rec*) {
  auto* const config = make<ServerConfig>(pool);
  config->aliases = apr_array_make(pool, 4, sizeof(Alias));
  return config;
}

/// Puts the aliases of a virtual host before those of the main server.
void* merge_server_config(apr_pool_t* pool, void* base, void* added) {
  auto* const config = make<ServerConfig>(pool);
  config->aliases =
      apr_array_append(pool, static_cast<ServerConfig*>(added)->aliases, static_cast<ServerConfig*>(base)->aliases);
  return config;
}

void* create_directory_config(apr_pool_t* pool, char*) {
  auto* const config = make<DirectoryConfig>(pool);
  config->script_reloading = kUnset;
  config->pass_authorization = kUnset;
  config->chunked_request = kUnset;
  config->ignore_activity = kUnset;
  config->map_head_to_get = kUnset;
  config->error_override = kUnset;
  config->pass_request = kUnset;
  return config;
}

void* merge_directory_config(apr_pool_t* pool, void* base_config, void* added_config) {
  const auto& base = *static_cast<DirectoryConfig*>(base_config);
  const auto& added = *static_cast<DirectoryConfig*>(added_config);
  auto* const config = make<DirectoryConfig>(pool);
  config->trusted_proxies = chosen(added.trusted_proxies, base.trusted_proxies);
  config->trusted_proxy_headers = chosen(added.trusted_proxy_headers, base.trusted_proxy_headers);
  config->process_group = chosen(added.process_group, base.process_group);
  config->application_group = chosen(added.application_group, base.application_group);
  config->callable = chosen(added.callable, base.callable);
  config->user_script = chosen(added.user_script, base.user_script);
  config->group_script = chosen(added.group_script, base.group_script);
  config->access_script = chosen(added.access_script, base.access_script);
  config->dispatch_script = chosen(added.dispatch_script, base.dispatch_script);
  config->handler_scripts = merged_handlers(pool, added.handler_scripts, base.handler_scripts);
  config->script_reloading = chosen(added.script_reloading, base.script_reloading);
  config->pass_authorization = chosen(added.pass_authorization, base.pass_authorization);
  config->chunked_request = chosen(added.chunked_request, base.chunked_request);
  config->pass_request = chosen(added.pass_request, base.pass_request);
  config->error_override = chosen(added.error_override, base.error_override);
  config->allowed_groups = added.allowed_groups != nullptr ? added.allowed_groups : base.allowed_groups;
  config->ignore_activity = chosen(added.ignore_activity, base.ignore_activity);
  config->map_head_to_get = chosen(added.map_head_to_get, base.map_head_to_get);
  return config;
}

}  // namespace sluice::apache
