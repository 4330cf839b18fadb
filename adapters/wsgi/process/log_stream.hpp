// SPDX-License-Identifier: Apache-2.0
// sys.stdout, sys.stderr and wsgi.errors: text streams whose lines go to the error log, tagged with the request of the
// writing thread.
#pragma once

#include <Python.h>

#include "adapters/wsgi/process/line_buffer.hpp"
#include "bindings/host.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Returns the type mod_wsgi.Log, the binary stream under each text stream, or null with an exception set.
[[nodiscard]] bindings::Object make_log_type();

/// Returns a new text stream over a new mod_wsgi.Log, or null with an exception set. `host` logs lines without a
/// request.
[[nodiscard]] bindings::Object make_log_stream(PyObject* type, Stream stream, const bindings::Host& host);

}  // namespace sluice::wsgi
