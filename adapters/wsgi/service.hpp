// A request from the arrival at a worker thread to the record of it: interpreter, script, application, metrics.
#pragma once

#include <cstdint>
#include <string>

#include "adapters/wsgi/application.hpp"
#include "adapters/wsgi/exchange.hpp"
#include "adapters/wsgi/runtime.hpp"
#include "adapters/wsgi/script.hpp"
#include "adapters/wsgi/thread.hpp"

namespace sluice::wsgi {

struct Assignment {
  std::string application_group;
  std::string callable;
  Scripts::Wanted script;
  std::uint64_t accepted_ns = 0;    ///< When the server accepted the request.
  std::uint64_t queued_ns = 0;      ///< When the server began to pass it on; 0 in embedded mode.
  std::uint64_t dispatched_ns = 0;  ///< When a daemon thread took it; 0 in embedded mode.
  std::uint32_t daemon_tries = 0;   ///< Connections to daemon processes that it took; 0 in embedded mode.
  long server_pid = 0;              ///< The process that accepted it; 0: this one.
};

/// Serves one request on the calling thread and records it, unless the outcome is that somebody else is to serve it.
[[nodiscard]] Outcome serve(Runtime& runtime, ThreadContext& thread, Exchange& exchange, const Assignment& assignment,
                            const ServerFacts& facts);

}  // namespace sluice::wsgi
