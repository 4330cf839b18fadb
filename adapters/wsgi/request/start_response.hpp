// SPDX-License-Identifier: Apache-2.0
// The Python object start_response, and write(), which it returns. The arguments of start_response() are checked
// against PEP 3333 and HTTP before any of them can reach a client.
#pragma once

#include <Python.h>

#include "adapters/wsgi/request/measurement.hpp"
#include "adapters/wsgi/request/response.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Observes the head of a response before it is accepted. The caller holds the GIL.
class ResponseObserver {
 public:
  virtual void response_started(PyObject* status, PyObject* headers, PyObject* exc_info) = 0;

 protected:
  ~ResponseObserver() = default;
};

/// Returns the type of start_response for the current interpreter, or null with an exception set.
[[nodiscard]] bindings::Object make_start_response_type();

/// Returns a new start_response, or null with an exception set. `response` and `observer` live until
/// finish_start_response().
[[nodiscard]] bindings::Object make_start_response(PyObject* type, Response& response, ResponseObserver& observer);

/// Detaches the object from its request: later calls of it and of write() raise RuntimeError. Waits for threads of the
/// application that are still inside a call. The caller holds the GIL.
void finish_start_response(PyObject* start_response, Measurement& measurement);

}  // namespace sluice::wsgi
