// SPDX-License-Identifier: Apache-2.0
// The server's side of a request that a daemon process serves.
#pragma once

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/request/exchange.hpp"
#include "adapters/wsgi/process/service.hpp"

namespace sluice::apache {

/// Sets the variables of the request, sends it to a daemon process of the group, and passes on the response. Returns
/// OK, or the status to answer with, whose reason has been logged. Blocks until the response is complete, at most for
/// the exchange timeout of the group.
[[nodiscard]] int serve_in_daemon(request_rec* request, const Target& target, const DaemonGroup& group,
                                  ApacheExchange& exchange, const wsgi::DispatchedRequest& dispatched);

}  // namespace sluice::apache
