#include "adapters/apache/request/paths.hpp"

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace sluice::apache {
namespace {

constexpr const char* kDefaultCallable = "application";

/// An alias that a request has matched, in the configuration of the request.
struct AliasMatch {
  const Alias* alias;
  const char* uri;  ///< The URI of the subrequest that has matched; null when it was the request itself.
  const AliasMatch* next;
};

void add_match(request_rec* request, const Alias& alias, const char* uri) {
  const auto* const next = static_cast<AliasMatch*>(ap_get_module_config(request->request_config, &wsgi_module));
  auto* const match = static_cast<AliasMatch*>(apr_palloc(request->pool, sizeof(AliasMatch)));
  *match = {&alias, uri, next};
  ap_set_module_config(request->request_config, &wsgi_module, match);
}

/// Remembers the alias for the request, and for the request that it is a subrequest of: mod_dir and others have a
/// request go on as one of its subrequests (ap_internal_fast_redirect), which copies the file and the URI, but not
/// this.
void remember_alias(request_rec* request, const Alias& alias) {
  add_match(request, alias, nullptr);
  for (request_rec* main = request->main; main != nullptr; main = main->main) add_match(main, alias, request->uri);
}

/// Returns the number of bytes of `uri` that a prefix matches, or 0. A run of slashes counts as one slash, and a match
/// ends at the end of a segment.
std::size_t matched_length(const char* uri, const char* prefix) {
  const char* at = uri;
  while (*prefix != '\0') {
    if (*prefix == '/') {
      if (*at != '/') return 0;
      at += std::strspn(at, "/");
      prefix += std::strspn(prefix, "/");
    } else if (*at++ != *prefix++) {
      return 0;
    }
  }
  const bool whole_segment = at != uri && (at[-1] == '/' || *at == '/' || *at == '\0');
  return whole_segment ? static_cast<std::size_t>(at - uri) : 0;
}

/// Returns the file to which an alias maps a request; null when the alias does not match.
const char* mapped_file(const request_rec* request, const Alias& alias) {
  if (alias.pattern != nullptr) {
    ap_regmatch_t groups[AP_MAX_REG_MATCH];
    if (ap_regexec(alias.pattern, request->uri, AP_MAX_REG_MATCH, groups, 0) != 0) return nullptr;
    const int end = groups[0].rm_eo;
    if (end == 0) return nullptr;
    const char* const file = ap_pregsub(request->pool, alias.target, request->uri, AP_MAX_REG_MATCH, groups);
    const bool root = end == 1 && *request->uri == '/';
    return file != nullptr ? apr_pstrcat(request->pool, file, request->uri + (root ? 0 : end), nullptr) : nullptr;
  }
  const std::size_t length = matched_length(request->uri, alias.location);
  if (length == 0) return nullptr;
  const bool root = std::strcmp(alias.location, "/") == 0;
  return apr_pstrcat(request->pool, alias.target, request->uri + (root ? 0 : length), nullptr);
}

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

/// Returns the alias that led to the file of a request; null when another module mapped it.
const Alias* matched_alias(const request_rec* request) {
  const auto* match = static_cast<const AliasMatch*>(ap_get_module_config(request->request_config, &wsgi_module));
  // The URI of a subrequest is the same string only where the request goes on as that subrequest.
  while (match != nullptr && match->uri != nullptr && match->uri != request->uri) match = match->next;
  return match != nullptr ? match->alias : nullptr;
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

int translate_alias(request_rec* request) {
  if (request->uri == nullptr || (request->uri[0] != '/' && request->uri[0] != '\0')) return DECLINED;
  const apr_array_header_t* const aliases = config_of(request->server).aliases;
  for (int i = 0; i < aliases->nelts; ++i) {
    const Alias& alias = reinterpret_cast<const Alias*>(aliases->elts)[i];
    const char* const file = mapped_file(request, alias);
    if (file == nullptr) continue;
    request->filename = const_cast<char*>(file);
    request->handler = kHandlerName;
    remember_alias(request, alias);
    return OK;
  }
  return DECLINED;
}

std::string group_of(const request_rec* request, std::string_view name) {
  return expand_group(request, script_name_of(request), name);
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
                .callable = either(either(alias.callable, config.callable), kDefaultCallable),
                .script = handler != nullptr ? handler->target : nullptr};
  target.process_group = expand_group(request, target.script_name, process_group);
  target.application_group = expand_group(request, target.script_name, application_group);
  return target;
}

}  // namespace sluice::apache
