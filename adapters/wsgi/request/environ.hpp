// The environ of PEP 3333.
#pragma once

#include <Python.h>

#include "adapters/wsgi/request/request_context.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Returns a new dict for one request, or null with an exception set. `input` is its wsgi.input. The caller holds the
/// GIL.
[[nodiscard]] bindings::Object make_environ(const RequestContext& context, PyObject* input);

}  // namespace sluice::wsgi
