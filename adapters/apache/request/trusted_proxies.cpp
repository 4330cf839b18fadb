// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/trusted_proxies.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "adapters/apache/request/request_state.hpp"
#include "adapters/wsgi/request/head_rules.hpp"

namespace sluice::apache {
namespace {

enum class Meaning : std::uint8_t { kAddresses, kAddress, kHost, kServer, kPort, kMount, kScheme, kSecure };

/// Fields that tell the same, of which one at most is left.
enum class Kind : std::uint8_t { kClient, kHost, kServer, kPort, kMount, kScheme };
constexpr std::size_t kKinds = 6;

struct Field {
  const char* variable;
  Kind kind;
  Meaning meaning;
};

constexpr Field kFields[] = {
    {"HTTP_X_FORWARDED_FOR", Kind::kClient, Meaning::kAddresses},
    {"HTTP_X_CLIENT_IP", Kind::kClient, Meaning::kAddress},
    {"HTTP_X_REAL_IP", Kind::kClient, Meaning::kAddress},
    {"HTTP_X_FORWARDED_HOST", Kind::kHost, Meaning::kHost},
    {"HTTP_X_HOST", Kind::kHost, Meaning::kHost},
    {"HTTP_X_FORWARDED_SERVER", Kind::kServer, Meaning::kServer},
    {"HTTP_X_FORWARDED_PORT", Kind::kPort, Meaning::kPort},
    {"HTTP_X_SCRIPT_NAME", Kind::kMount, Meaning::kMount},
    {"HTTP_X_FORWARDED_SCRIPT_NAME", Kind::kMount, Meaning::kMount},
    {"HTTP_X_FORWARDED_PROTO", Kind::kScheme, Meaning::kScheme},
    {"HTTP_X_FORWARDED_SCHEME", Kind::kScheme, Meaning::kScheme},
    {"HTTP_X_SCHEME", Kind::kScheme, Meaning::kScheme},
    {"HTTP_X_FORWARDED_HTTPS", Kind::kScheme, Meaning::kSecure},
    {"HTTP_X_FORWARDED_SSL", Kind::kScheme, Meaning::kSecure},
    {"HTTP_X_HTTPS", Kind::kScheme, Meaning::kSecure},
};

const Field* find_field(std::string_view variable) {
  const auto* const field = std::find_if(std::begin(kFields), std::end(kFields),
                                         [&](const Field& entry) { return variable == entry.variable; });
  return field != std::end(kFields) ? field : nullptr;
}

/// Whether a text is an address of one of the proxies. A text that is no address is never resolved as a name, because
/// clients choose it.
bool is_trusted(request_rec* request, const apr_array_header_t* proxies, const std::string& address) {
  std::array<unsigned char, sizeof(in6_addr)> bytes;
  const bool numeric = ::inet_pton(AF_INET, address.c_str(), bytes.data()) == 1 ||
                       ::inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1;
  apr_sockaddr_t* parsed = nullptr;
  if (!numeric || apr_sockaddr_info_get(&parsed, address.c_str(), APR_UNSPEC, 0, 0, request->pool) != APR_SUCCESS) {
    return false;
  }
  for (int i = 0; i < proxies->nelts; ++i) {
    if (apr_ipsubnet_test(reinterpret_cast<apr_ipsubnet_t* const*>(proxies->elts)[i], parsed) != 0) return true;
  }
  return false;
}

void set(request_rec* request, const char* variable, std::string_view value) {
  apr_table_setn(request->subprocess_env, variable, apr_pstrmemdup(request->pool, value.data(), value.size()));
}

/// Sets the address of the client from a list to which each proxy has appended the address that it saw. Without named
/// proxies that is the first one. Otherwise it is the last one that is not of a proxy, and what stands before it, which
/// anybody can have written, is removed.
void apply_addresses(request_rec* request, const apr_array_header_t* proxies, const char* value) {
  std::vector<std::string> addresses;
  for (const absl::string_view part : absl::StrSplit(value, ',')) {
    const absl::string_view address = absl::StripAsciiWhitespace(part);
    if (!address.empty()) addresses.emplace_back(address);
  }
  if (addresses.empty()) return;
  if (proxies == nullptr) return set(request, "REMOTE_ADDR", addresses.front());
  std::size_t client = addresses.size() - 1;
  while (client > 0 && is_trusted(request, proxies, addresses[client])) --client;
  set(request, "REMOTE_ADDR", addresses[client]);
  set(request, "HTTP_X_FORWARDED_FOR",
      absl::StrJoin(addresses.begin() + static_cast<std::ptrdiff_t>(client), addresses.end(), ", "));
}

void apply_scheme(request_rec* request, std::string_view value, Meaning meaning) {
  const auto is = [value](std::string_view word) { return wsgi::same_name(value, word); };
  const bool flag = meaning == Meaning::kSecure;
  const bool https = flag ? is("on") || is("true") || is("1") : is("https");
  const bool http = flag ? is("off") || is("false") || is("0") : is("http");
  if (https || http) state_of(request).https_by_proxy = https;
}

void apply(request_rec* request, const DirectoryConfig& config, const Field& field, const char* value) {
  switch (field.meaning) {
    case Meaning::kAddresses:
      return apply_addresses(request, config.trusted_proxies, value);
    case Meaning::kAddress:
      return set(request, "REMOTE_ADDR", value);
    case Meaning::kHost:
      return set(request, "HTTP_HOST", value);
    case Meaning::kServer:
      return set(request, "SERVER_NAME", value);
    case Meaning::kPort:
      return set(request, "SERVER_PORT", value);
    case Meaning::kMount:
      set(request, "mod_wsgi.mount_point", value);
      return set(request, "SCRIPT_NAME", value);
    case Meaning::kScheme:
    case Meaning::kSecure:
      return apply_scheme(request, value, field.meaning);
  }
}

}  // namespace

void apply_trusted_proxies(request_rec* request, const DirectoryConfig& config) {
  const apr_array_header_t* const names = config.trusted_proxy_headers;
  if (names == nullptr) return;
  const char* const peer = apr_table_get(request->subprocess_env, "REMOTE_ADDR");
  const bool trusted =
      config.trusted_proxies == nullptr || (peer != nullptr && is_trusted(request, config.trusted_proxies, peer));
  std::array<bool, kKinds> named{};
  std::array<const Field*, kKinds> used{};
  for (int i = 0; i < names->nelts; ++i) {
    const Field* const field = find_field(reinterpret_cast<const char* const*>(names->elts)[i]);
    if (field == nullptr) continue;
    const auto kind = static_cast<std::size_t>(field->kind);
    named[kind] = true;
    const char* const value = trusted ? apr_table_get(request->subprocess_env, field->variable) : nullptr;
    if (value == nullptr) continue;
    apply(request, config, *field, value);
    used[kind] = field;
  }
  for (const Field& field : kFields) {
    const auto kind = static_cast<std::size_t>(field.kind);
    if (named[kind] && used[kind] != &field) apr_table_unset(request->subprocess_env, field.variable);
  }
}

std::optional<bool> https_by_proxy(const request_rec* request) {
  const RequestState* const state = find_state(request);
  return state != nullptr ? state->https_by_proxy : std::nullopt;
}

}  // namespace sluice::apache
