// SPDX-License-Identifier: Apache-2.0
// wsgi.input: the body of a request as a binary stream.
#pragma once

#include <Python.h>

#include "adapters/wsgi/request/input_buffer.hpp"
#include "adapters/wsgi/request/measurement.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Returns the type mod_wsgi.Input for the current interpreter, or null with an exception set.
[[nodiscard]] bindings::Object make_input_type();

/// Returns a new wsgi.input, or null with an exception set. `input` lives until finish_input().
[[nodiscard]] bindings::Object make_input(PyObject* type, InputBuffer& input, Measurement& measurement);

/// Detaches the object from its request: later calls raise RuntimeError. Waits for a thread of the application that is
/// still inside a read. The caller holds the GIL.
void finish_input(PyObject* input, Measurement& measurement);

}  // namespace sluice::wsgi
