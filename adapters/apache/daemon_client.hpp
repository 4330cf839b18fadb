// A request that a daemon process serves, on the side of the server: handed over, and its response taken back.
#pragma once

#include "adapters/apache/config.hpp"
#include "adapters/apache/exchange.hpp"
#include "adapters/wsgi/request/dispatched_request.hpp"

namespace sluice::apache {

/// Has a daemon process of the group serve the request, whose variables are set. Gives OK, or the status to answer
/// with; that has been logged. Blocks as long as it takes, bounded by the timeouts of the group between any two steps.
[[nodiscard]] int serve_in_daemon(request_rec* request, const DaemonGroup& group, ApacheExchange& exchange,
                                  const wsgi::DispatchedRequest& dispatched);

}  // namespace sluice::apache
