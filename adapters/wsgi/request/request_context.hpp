// SPDX-License-Identifier: Apache-2.0
// The context that every step of one request through an application needs.
#pragma once

#include <cstddef>

#include "adapters/wsgi/python/interpreter_objects.hpp"
#include "adapters/wsgi/request/deferred_write.hpp"
#include "adapters/wsgi/request/dispatched_request.hpp"
#include "adapters/wsgi/request/exchange.hpp"
#include "adapters/wsgi/request/measurement.hpp"
#include "adapters/wsgi/request/server_facts.hpp"

namespace sluice::wsgi {

/// Everything it refers to outlives it.
struct RequestContext {
  InterpreterObjects& objects;
  Exchange& exchange;
  const ServerFacts& facts;
  const DispatchedRequest& dispatched;
  std::size_t thread_id;  ///< Worker slot plus 1, as in mod_wsgi.thread_id.
  Measurement& measurement;
  DeferredWrite& deferred;  ///< Filled by the application's response; the caller sends it without the GIL.
};

}  // namespace sluice::wsgi
