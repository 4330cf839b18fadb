// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/request_directives.hpp"

#include <cstring>

#include "absl/strings/ascii.h"
#include "adapters/apache/config/config.hpp"
#include "adapters/apache/config/config_error.hpp"

namespace sluice::apache {
namespace {

template <class T>
T& append(apr_pool_t* pool, apr_array_header_t*& array) {
  // NOLINTNEXTLINE(bugprone-sizeof-expression): the elements are pointers.
  if (array == nullptr) array = apr_array_make(pool, 4, sizeof(T));
  return *static_cast<T*>(apr_array_push(array));
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
  // Without a list every client would be trusted, which an empty variable of the configuration must not bring about.
  if (*line == '\0') return error(cmd, "needs an address or a network");
  while (*line != '\0') {
    char* const network = ap_getword_conf(cmd->pool, &line);
    char* const mask = std::strchr(network, '/');
    if (mask != nullptr) *mask = '\0';
    apr_ipsubnet_t* subnet = nullptr;
    if (apr_ipsubnet_create(&subnet, network, mask != nullptr ? mask + 1 : nullptr, cmd->pool) != APR_SUCCESS) {
      return error(cmd, "'", network, mask != nullptr ? "' with that mask" : "'", " is not an address or a network");
    }
    append<apr_ipsubnet_t*>(cmd->pool, static_cast<DirectoryConfig*>(config)->trusted_proxies) = subnet;
  }
  return nullptr;
}

const char* trusted_proxy_headers(cmd_parms* cmd, void* config, const char* line) {
  while (*line != '\0') {
    const char* const variable = variable_of(cmd->pool, ap_getword_conf(cmd->pool, &line));
    append<const char*>(cmd->pool, static_cast<DirectoryConfig*>(config)->trusted_proxy_headers) = variable;
  }
  return nullptr;
}

}  // namespace sluice::apache
