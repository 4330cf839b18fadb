// SPDX-License-Identifier: Apache-2.0
// The Python object start_response, and write(), which it returns.
#pragma once

#include <Python.h>

#include "adapters/wsgi/request/measurement.hpp"
#include "adapters/wsgi/request/response.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Returns the type of start_response for the current interpreter, or null with an exception set.
[[nodiscard]] bindings::Object make_start_response_type();

/// Returns a new start_response, or null with an exception set. `response` lives until finish_start_response().
[[nodiscard]] bindings::Object make_start_response(PyObject* type, Response& response);

/// Detaches the object from its request: later calls of it and of write() raise RuntimeError. Waits for threads of the
/// application that are still inside a call. The caller holds the GIL.
void finish_start_response(PyObject* start_response, Measurement& measurement);

}  // namespace sluice::wsgi
