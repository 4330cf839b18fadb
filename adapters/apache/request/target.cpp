// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/target.hpp"

#include <cstdlib>
#include <cstring>
#include <string_view>

#include "adapters/apache/request/alias_translation.hpp"

namespace sluice::apache {
namespace {

constexpr const char* kDefaultCallable = "application";

/// Returns the position of the path info in the URI. Compares both from their ends; a run of slashes in the URI counts
/// as one.
std::size_t path_info_start(std::string_view uri, std::string_view info) {
  std::size_t at_uri = uri.size();
  std::size_t at_info = info.size();
  while (at_uri > 0 && at_info > 0 && uri[at_uri - 1] == info[at_info - 1]) {
    const bool slash = uri[at_uri - 1] == '/';
    --at_uri;
    --at_info;
    if (!slash) continue;
    while (at_uri > 0 && uri[at_uri - 1] == '/') --at_uri;
    while (at_info > 0 && info[at_info - 1] == '/') --at_info;
  }
  while (at_uri < uri.size() && uri[at_uri] != '/') ++at_uri;
  return at_uri;
}

std::string without_doubled_slashes(std::string_view path) {
  std::string result;
  result.reserve(path.size());
  for (const char c : path) {
    if (c != '/' || result.empty() || result.back() != '/') result.push_back(c);
  }
  return result;
}

/// Returns host, or host:port when the port is not a standard one. The port is that of the connection, because a client
/// could create an interpreter for each port that it puts into a Host field.
std::string with_port(const request_rec* request, const char* host) {
  const apr_port_t port = request->connection->local_addr->port;
  std::string name = host != nullptr ? host : "";
  if (port != DEFAULT_HTTP_PORT && port != DEFAULT_HTTPS_PORT) name.append(":").append(std::to_string(port));
  return name;
}

/// Returns the value of %{ENV:name}; null when `configured` has another form or the variable is not set.
const char* environment_value(const request_rec* request, std::string_view configured) {
  constexpr std::string_view kPrefix = "%{ENV:";
  if (!configured.starts_with(kPrefix) || !configured.ends_with('}')) return nullptr;
  const std::string name(configured.substr(kPrefix.size(), configured.size() - kPrefix.size() - 1));
  if (const char* const note = apr_table_get(request->notes, name.c_str())) return note;
  if (const char* const variable = apr_table_get(request->subprocess_env, name.c_str())) return variable;
  return std::getenv(name.c_str());
}

/// Returns the part of the URL path that led to the script.
std::string script_name_of(const request_rec* request) {
  const std::string_view uri = request->uri;
  if (request->path_info == nullptr || *request->path_info == '\0') return without_doubled_slashes(uri);
  return without_doubled_slashes(uri.substr(0, path_info_start(uri, request->path_info)));
}

/// Returns the name of a group, with %{...} expanded for the request. Empty for %{GLOBAL}.
std::string expand_group(const request_rec* request, std::string_view script_name, std::string_view name) {
  if (name == "%{GLOBAL}") return {};
  const char* const server_host = request->server->server_hostname;
  if (name == "%{RESOURCE}") return with_port(request, server_host).append("|").append(script_name);
  if (name == "%{SERVER}") return with_port(request, server_host);
  if (name == "%{HOST}") {
    const bool has_host = request->hostname != nullptr && *request->hostname != '\0';
    return with_port(request, has_host ? request->hostname : server_host);
  }
  if (const char* const value = environment_value(request, name)) {
    // The value of a variable may be another %{...}, but not a variable again.
    const bool again = std::strncmp(value, "%{ENV:", 6) == 0;
    return *value == '%' && !again ? expand_group(request, script_name, value) : value;
  }
  return std::string(name);
}

const char* either(const char* first, const char* second) { return first != nullptr ? first : second; }

}  // namespace

std::string group_of(const request_rec* request, std::string_view name) {
  return expand_group(request, script_name_of(request), name);
}

const char* callable_of(const request_rec* request, const char* configured) {
  if (configured == nullptr) return kDefaultCallable;
  return *configured != '%' ? configured : either(environment_value(request, configured), kDefaultCallable);
}

const Alias* find_handler_script(const request_rec* request) {
  const apr_array_header_t* const handlers = config_of(request).handler_scripts;
  for (int i = 0; handlers != nullptr && i < handlers->nelts; ++i) {
    const Alias& handler = reinterpret_cast<const Alias*>(handlers->elts)[i];
    if (std::strcmp(handler.location, request->handler) == 0) return &handler;
  }
  return nullptr;
}

Target resolve(request_rec* request, const Alias* handler) {
  static constexpr Alias kNoAlias;
  const Alias* const matched = handler != nullptr ? handler : matched_alias(request);
  const Alias& alias = matched != nullptr ? *matched : kNoAlias;
  const DirectoryConfig& config = config_of(request);
  const char* const process_group = either(either(alias.process_group, config.process_group), "");
  const char* const application_group =
      either(either(alias.application_group, config.application_group), "%{RESOURCE}");
  const int authorization = alias.pass_authorization != kUnset ? alias.pass_authorization : config.pass_authorization;
  Target target{.aliased = matched != nullptr,
                .pass_authorization = authorization == 1,
                .script_name = script_name_of(request),
                .path_info = without_doubled_slashes(request->path_info != nullptr ? request->path_info : ""),
                .process_group = {},
                .application_group = {},
                .callable = callable_of(request, either(alias.callable, config.callable)),
                .script = handler != nullptr ? handler->target : nullptr};
  target.process_group = expand_group(request, target.script_name, process_group);
  target.application_group = expand_group(request, target.script_name, application_group);
  return target;
}

}  // namespace sluice::apache
