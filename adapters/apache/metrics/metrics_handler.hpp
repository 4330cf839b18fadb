// SPDX-License-Identifier: Apache-2.0
// The handler `sluice-metrics`, which responds with the metrics of all processes of the server. It does not use Python,
// so applications cannot delay it.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// The hook handler.
int handle_metrics(request_rec* request) noexcept;

}  // namespace sluice::apache
