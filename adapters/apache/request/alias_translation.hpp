// SPDX-License-Identifier: Apache-2.0
// The translation of URLs to script files by WSGIScriptAlias and WSGIScriptAliasMatch.
#pragma once

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/request/request_state.hpp"

namespace sluice::apache {

/// The hook translate_name. Remembers the alias that matched in the configuration of the request.
int translate_alias(request_rec* request);

/// Returns the alias that led to the file of a request; null when another module mapped it.
[[nodiscard]] inline const Alias* matched_alias(const request_rec* request) {
  const RequestState* const state = find_state(request);
  const AliasMatch* match = state != nullptr ? state->matches : nullptr;
  // The URI of a subrequest is the same string only where the request goes on as that subrequest.
  while (match != nullptr && match->uri != nullptr && match->uri != request->uri) match = match->next;
  return match != nullptr ? match->alias : nullptr;
}

}  // namespace sluice::apache
