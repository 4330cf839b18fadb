// SPDX-License-Identifier: Apache-2.0
// One request through one application: the calls that PEP 3333 prescribes, in their order, and the handling of their
// errors.
#pragma once

#include <Python.h>

#include <cstdint>

#include "adapters/wsgi/request/request_context.hpp"
#include "adapters/wsgi/request/request_events.hpp"

namespace sluice::wsgi {

/// The end of a request, as the server needs to know it to answer.
enum class Outcome : std::uint8_t {
  kResponded,    ///< A response was sent, or the client has closed the connection.
  kFailed,       ///< Nothing was sent; the server answers 500.
  kTimedOut,     ///< Nothing was sent, because the request timed out; the server answers 504.
  kMissing,      ///< The script has no such application; the server answers 404.
  kForbidden,    ///< The process must not run the script file; the server answers 403.
  kUnavailable,  ///< WSGIInterpreterLimit allows no interpreter for the request; the server answers 503.
  kOutdated,     ///< The script has to be loaded again, by another process. Nothing was done or recorded.
};

/// Runs the callable of a loaded script's module. The calling thread holds the GIL of the module's interpreter. Logs
/// every error and leaves no exception set. Fills `context.deferred` with the end of the response when no Python code
/// depends on the result of sending it.
[[nodiscard]] Outcome run_application(PyObject* module, const RequestContext& context, RequestEvents& events);

}  // namespace sluice::wsgi
