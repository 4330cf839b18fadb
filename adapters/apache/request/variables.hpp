// SPDX-License-Identifier: Apache-2.0
// The variables of a request, which become entries of its environ.
#pragma once

#include <string_view>

#include "absl/functional/function_ref.h"
#include "adapters/apache/request/target.hpp"
#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// Sets the variables of the request that the server sets for every handler, and those of this module.
void set_variables(request_rec* request, const Target& target);

/// Calls `add(name, value)` for each variable of the request.
void each_variable_of(const request_rec* request, absl::FunctionRef<void(std::string_view, std::string_view)> add);

/// Returns true if the client has sent the request by https, as a trusted proxy or the connection tells.
[[nodiscard]] bool is_https(const request_rec* request);

/// Returns the Authorization field if the application may see it and the client has sent it; null otherwise.
[[nodiscard]] inline const char* passed_authorization(const request_rec* request, const Target& target) {
  return target.pass_authorization ? apr_table_get(request->headers_in, "Authorization") : nullptr;
}

}  // namespace sluice::apache
