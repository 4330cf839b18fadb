// SPDX-License-Identifier: Apache-2.0
// One request from its arrival at a worker thread to the record of it.
#pragma once

#include "adapters/wsgi/process/runtime.hpp"
#include "adapters/wsgi/process/thread.hpp"
#include "adapters/wsgi/request/application.hpp"
#include "adapters/wsgi/request/dispatched_request.hpp"
#include "adapters/wsgi/request/exchange.hpp"
#include "adapters/wsgi/request/server_facts.hpp"

namespace sluice::wsgi {

/// Serves one request on the calling thread, whose context is `thread`, and records it. A request whose outcome is
/// kOutdated is not recorded, because another process will serve it. The caller holds no GIL.
[[nodiscard]] Outcome serve(Runtime& runtime, ThreadContext& thread, Exchange& exchange,
                            const DispatchedRequest& dispatched, const ServerFacts& facts);

}  // namespace sluice::wsgi
