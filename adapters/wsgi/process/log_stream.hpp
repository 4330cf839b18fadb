// sys.stdout, sys.stderr and wsgi.errors: text streams whose lines go to the error log, tagged with the request that
// the writing thread serves.
#pragma once

#include <Python.h>

#include "adapters/wsgi/process/line_buffer.hpp"
#include "bindings/host.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// The type mod_wsgi.Log, the binary stream under each text stream; null with an exception set.
[[nodiscard]] bindings::Object make_log_type();

/// A new text stream over a new mod_wsgi.Log; null with an exception set. `host` logs what belongs to no request.
[[nodiscard]] bindings::Object make_log_stream(PyObject* type, Stream stream, const bindings::Host& host);

}  // namespace sluice::wsgi
