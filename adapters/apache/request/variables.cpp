// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/variables.hpp"

#include <http_log.h>
#include <unistd.h>
#include <util_filter.h>
#include <util_script.h>

#include <optional>
#include <string>
#include <utility>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/request/trusted_proxies.hpp"
#include "adapters/wsgi/request/head_rules.hpp"

namespace sluice::apache {
namespace {

/// Variables of CGI that mean nothing to a WSGI application, or mislead it about its host.
constexpr const char* kForPrograms[] = {"GATEWAY_INTERFACE", "SERVER_SIGNATURE", "LD_LIBRARY_PATH"};

/// Sets the variables of CGI, except PATH_TRANSLATED, for which the server would make a subrequest.
void set_cgi_variables(request_rec* request) {
  ap_add_common_vars(request);
  char* const path_info = std::exchange(request->path_info, nullptr);
  ap_add_cgi_vars(request);
  request->path_info = path_info;
  for (const char* const name : kForPrograms) apr_table_unset(request->subprocess_env, name);
}

/// Returns true when a HEAD request is passed to the application as GET, because a filter derives header fields from
/// the body, as compression does.
bool head_is_get(const request_rec* request, const DirectoryConfig& config) {
  if (request->method_number != M_GET || request->header_only == 0) return false;
  if (config.map_head_to_get != kUnset) return config.map_head_to_get == 1;
  return request->output_filters->frec->ftype < AP_FTYPE_PROTOCOL;
}

/// Sets the names by which the logs of the server identify the request and its connection. The request has one from
/// here on.
void set_ids(request_rec* request) {
  apr_table_t* const variables = request->subprocess_env;
  if (request->log_id == nullptr) ap_run_generate_log_id(request->connection, request, &request->log_id);
  if (request->log_id != nullptr) apr_table_setn(variables, "mod_wsgi.request_id", request->log_id);
  const char* const connection_id = request->connection->log_id;
  if (connection_id != nullptr) apr_table_setn(variables, "mod_wsgi.connection_id", connection_id);
}

/// Sets the variables about the server that accepted the request.
void set_server(request_rec* request) {
  apr_table_t* const variables = request->subprocess_env;
  const apr_sockaddr_t& listener = *request->connection->local_addr;
  apr_table_setn(variables, "mod_wsgi.server_pid", apr_ltoa(request->pool, ::getpid()));
  apr_table_setn(variables, "mod_wsgi.listener_host", listener.hostname != nullptr ? listener.hostname : "");
  apr_table_setn(variables, "mod_wsgi.listener_port", apr_itoa(request->pool, listener.port));
}

/// Whether a variable has the credentials of a request that was redirected within the server, once or more often.
bool is_of_earlier_credentials(std::string_view name) {
  constexpr std::string_view kRedirected = "REDIRECT_";
  if (!name.starts_with(kRedirected)) return false;
  while (name.starts_with(kRedirected)) name.remove_prefix(kRedirected.size());
  return name == "HTTP_AUTHORIZATION" || name == "HTTP_PROXY_AUTHORIZATION";
}

/// The handler from which this request was redirected may have been allowed to see more.
void drop_earlier_credentials(request_rec* request) {
  const apr_array_header_t* const entries = apr_table_elts(request->subprocess_env);
  for (int i = entries->nelts; i-- > 0;) {
    const char* const key = reinterpret_cast<const apr_table_entry_t*>(entries->elts)[i].key;
    if (key != nullptr && is_of_earlier_credentials(key)) apr_table_unset(request->subprocess_env, key);
  }
}

}  // namespace

void each_variable_of(const request_rec* request, absl::FunctionRef<void(std::string_view, std::string_view)> add) {
  const apr_array_header_t* const entries = apr_table_elts(request->subprocess_env);
  for (int i = 0; i < entries->nelts; ++i) {
    const auto& entry = reinterpret_cast<const apr_table_entry_t*>(entries->elts)[i];
    if (entry.key != nullptr) add(entry.key, entry.val != nullptr ? entry.val : "");
  }
}

bool is_https(const request_rec* request) {
  if (const std::optional<bool> told = https_by_proxy(request)) return *told;
  if (std::string_view(ap_http_scheme(request)) == "https") return true;
  const char* const variable = apr_table_get(request->subprocess_env, "HTTPS");
  return variable != nullptr && (wsgi::same_name(variable, "on") || std::string_view(variable) == "1");
}

void set_variables(request_rec* request, const Target& target) {
  const DirectoryConfig& config = config_of(request);
  set_cgi_variables(request);
  apr_table_t* const variables = request->subprocess_env;
  const char* const script_name = apr_pstrdup(request->pool, target.script_name.c_str());
  const char* const path_info = apr_pstrdup(request->pool, target.path_info.c_str());
  for (const char* const name : {"SCRIPT_NAME", "mod_wsgi.script_name"}) apr_table_setn(variables, name, script_name);
  for (const char* const name : {"PATH_INFO", "mod_wsgi.path_info"}) apr_table_setn(variables, name, path_info);
  if (request->prev != nullptr || request->main != nullptr) drop_earlier_credentials(request);
  if (head_is_get(request, config)) apr_table_setn(variables, "REQUEST_METHOD", "GET");
  apr_table_set(variables, "mod_wsgi.process_group", target.process_group.c_str());
  apr_table_set(variables, "mod_wsgi.application_group", target.application_group.c_str());
  apr_table_set(variables, "mod_wsgi.callable_object", target.callable);
  apr_table_setn(variables, "mod_wsgi.script_reloading", config.script_reloading != 0 ? "1" : "0");
  apr_table_setn(variables, "mod_wsgi.request_handler", request->handler);
  apr_table_setn(variables, "mod_wsgi.handler_script", target.script != nullptr ? target.script : "");
  if (config.ignore_activity == 1 && !target.process_group.empty()) {
    apr_table_setn(variables, "mod_wsgi.ignore_activity", "1");
  }
  set_server(request);
  set_ids(request);
  apply_trusted_proxies(request, config);
}

}  // namespace sluice::apache
