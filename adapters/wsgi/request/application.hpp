// One request through one application: the calls of PEP 3333 in their order, and what becomes of their errors.
#pragma once

#include <Python.h>

#include <cstdint>
#include <string>

#include "adapters/wsgi/process/interpreter.hpp"
#include "adapters/wsgi/request/environ.hpp"
#include "adapters/wsgi/request/exchange.hpp"
#include "adapters/wsgi/request/measurement.hpp"
#include "adapters/wsgi/request/response.hpp"

namespace sluice::wsgi {

/// How a request ended for the server that has to answer for it.
enum class Outcome : std::uint8_t {
  kResponded,    ///< A response went out, or its client is gone.
  kFailed,       ///< Nothing was sent: answer with an error.
  kTimedOut,     ///< Nothing was sent: the request was given up.
  kMissing,      ///< The script has no such application.
  kForbidden,    ///< The script is a file that the process must not run.
  kUnavailable,  ///< The process has as many interpreters as it may have, and none for this request.
  kOutdated,  ///< The script wants to be loaded again, by another process: nothing was done, and nothing is recorded.
};

/// One request on its way through an application: the parts of the server and of the interpreter that it uses.
struct RequestContext {
  Interpreter& interpreter;
  Exchange& exchange;
  const ServerFacts& facts;
  const std::string& script;
  const std::string& callable;
  std::size_t thread_id;
  Measurement& measurement;
  DeferredWrite& deferred;  ///< Filled with what the caller has to send once the lock is given up.
};

/// Runs the callable of a loaded script's module. With the interpreter's lock, on the calling thread's state in it.
/// Every error is logged; no exception is left set. Leaves the end of the response to `deferred` where nothing of
/// Python depends on how its sending goes.
[[nodiscard]] Outcome run_application(PyObject* module, const RequestContext& context);

}  // namespace sluice::wsgi
