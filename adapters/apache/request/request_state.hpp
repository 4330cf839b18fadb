// SPDX-License-Identifier: Apache-2.0
// The module's configuration of one request: decisions that a later step of the same request uses.
#pragma once

#include <new>
#include <optional>

#include "adapters/apache/config/config.hpp"

namespace sluice::apache {

/// An alias that a request has matched.
struct AliasMatch {
  const Alias* alias;
  const char* uri;  ///< The URI of the subrequest that has matched; null when it was the request itself.
  const AliasMatch* next;
};

/// All of it for one request. A subrequest has its own.
struct RequestState {
  const AliasMatch* matches = nullptr;  ///< Aliases that have matched, the last one first.
  std::optional<bool> https_by_proxy;   ///< The scheme that a trusted proxy reports: true for https.
};

/// Returns the state of a request, or null before its first change.
[[nodiscard]] inline const RequestState* find_state(const request_rec* request) {
  return static_cast<const RequestState*>(ap_get_module_config(request->request_config, &wsgi_module));
}

/// Returns the state of a request for a change.
[[nodiscard]] inline RequestState& state_of(request_rec* request) {
  auto* state = static_cast<RequestState*>(ap_get_module_config(request->request_config, &wsgi_module));
  if (state == nullptr) {
    state = new (apr_palloc(request->pool, sizeof(RequestState))) RequestState;
    ap_set_module_config(request->request_config, &wsgi_module, state);
  }
  return *state;
}

}  // namespace sluice::apache
