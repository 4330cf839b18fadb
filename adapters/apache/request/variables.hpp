// SPDX-License-Identifier: Apache-2.0
// The variables of a request, which become entries of its environ.
#pragma once

#include "adapters/apache/request/target.hpp"
#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// Sets the variables of the request that the server sets for every handler, and those of this module.
void set_variables(request_rec* request, const Target& target);

/// Returns the Authorization field if the application may see it and the client has sent it; null otherwise.
[[nodiscard]] const char* passed_authorization(const request_rec* request, const Target& target);

}  // namespace sluice::apache
