// SPDX-License-Identifier: Apache-2.0
// The content handler: from an Apache request for a WSGI script to its response.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// The hook handler.
int handle_request(request_rec* request) noexcept;

}  // namespace sluice::apache
