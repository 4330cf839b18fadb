// SPDX-License-Identifier: Apache-2.0
// The environ of PEP 3333.
#pragma once

#include <Python.h>

#include "adapters/wsgi/request/request_context.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Returns a new dict for one request, or null with an exception set. `input` is its wsgi.input. The caller holds the
/// GIL.
[[nodiscard]] bindings::Object make_environ(const RequestContext& context, PyObject* input);

/// Adds the instants of the request, of which the last is that of entering the application. Returns false with an
/// exception set. The caller holds the GIL.
[[nodiscard]] bool add_instants(const RequestContext& context, PyObject* environ);

}  // namespace sluice::wsgi
