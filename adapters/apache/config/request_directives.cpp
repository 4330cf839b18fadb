// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/request_directives.hpp"

#include <cstring>

#include "absl/strings/ascii.h"
#include "adapters/apache/config/config.hpp"
#include "adapters/apache/config/config_error.hpp"

namespace sluice::apache {
namespace {

/// Returns the list of a directive, which exists from its first line on. An empty list is not the same as none, because
/// it replaces that of an outer section.
template <class T>
apr_array_header_t* list_of(apr_pool_t* pool, apr_array_header_t*& list) {
  // NOLINTNEXTLINE(bugprone-sizeof-expression): the elements are pointers.
  if (list == nullptr) list = apr_array_make(pool, 4, sizeof(T));
  return list;
}

/// Returns the name of the variable in which the server passes a header field on.
const char* variable_of(apr_pool_t* pool, const char* field) {
  char* const name = apr_pstrcat(pool, "HTTP_", field, nullptr);
  for (char* c = name; *c != '\0'; ++c) {
    const auto byte = static_cast<unsigned char>(*c);
    *c = absl::ascii_isalnum(byte) ? static_cast<char>(absl::ascii_toupper(byte)) : '_';
  }
  return name;
}

}  // namespace

const char* trusted_proxies(cmd_parms* cmd, void* config, const char* line) {
  // Without a list every client would be trusted, with an empty one nobody is.
  apr_array_header_t* const proxies =
      list_of<apr_ipsubnet_t*>(cmd->pool, static_cast<DirectoryConfig*>(config)->trusted_proxies);
  while (*line != '\0') {
    char* const network = ap_getword_conf(cmd->pool, &line);
    char* const mask = std::strchr(network, '/');
    if (mask != nullptr) *mask = '\0';
    apr_ipsubnet_t* subnet = nullptr;
    if (apr_ipsubnet_create(&subnet, network, mask != nullptr ? mask + 1 : nullptr, cmd->pool) != APR_SUCCESS) {
      return error(cmd, "'", network, mask != nullptr ? "' with that mask" : "'", " is not an address or a network");
    }
    *static_cast<apr_ipsubnet_t**>(apr_array_push(proxies)) = subnet;
  }
  return nullptr;
}

const char* trusted_proxy_headers(cmd_parms* cmd, void* config, const char* line) {
  apr_array_header_t* const headers =
      list_of<const char*>(cmd->pool, static_cast<DirectoryConfig*>(config)->trusted_proxy_headers);
  while (*line != '\0') {
    *static_cast<const char**>(apr_array_push(headers)) = variable_of(cmd->pool, ap_getword_conf(cmd->pool, &line));
  }
  return nullptr;
}

}  // namespace sluice::apache
