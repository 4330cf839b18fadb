// A request from the arrival at a worker thread to the record of it: interpreter, script, application, metrics.
#pragma once

#include <cstdint>
#include <string>

#include "adapters/wsgi/process/runtime.hpp"
#include "adapters/wsgi/process/thread.hpp"
#include "adapters/wsgi/python/script.hpp"
#include "adapters/wsgi/request/application.hpp"
#include "adapters/wsgi/request/exchange.hpp"

namespace sluice::wsgi {

/// A request with what the server decided about it: where it runs, which script serves it, and when it arrived.
struct DispatchedRequest {
  std::string application_group;
  std::string callable;
  ScriptRequest script;
  std::uint64_t accepted_ns = 0;    ///< Mark A.
  std::uint64_t queued_ns = 0;      ///< Mark Q; 0 in embedded mode.
  std::uint64_t dispatched_ns = 0;  ///< Mark D; 0 in embedded mode.
  std::uint32_t daemon_tries = 0;   ///< Connections to daemon processes that it took; 0 in embedded mode.
  long server_pid = 0;              ///< The process that accepted it; 0: this one.
};

/// Serves one request on the calling thread and records it, unless the outcome is that somebody else is to serve it.
[[nodiscard]] Outcome serve(Runtime& runtime, ThreadContext& thread, Exchange& exchange,
                            const DispatchedRequest& dispatched, const ServerFacts& facts);

}  // namespace sluice::wsgi
