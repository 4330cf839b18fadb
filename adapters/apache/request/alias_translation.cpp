// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/alias_translation.hpp"

#include <cstring>

namespace sluice::apache {
namespace {

void add_match(request_rec* request, const Alias& alias, const char* uri) {
  RequestState& state = state_of(request);
  state.matches = new (apr_palloc(request->pool, sizeof(AliasMatch))) AliasMatch{&alias, uri, state.matches};
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

}  // namespace sluice::apache
