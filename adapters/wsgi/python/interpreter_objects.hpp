// SPDX-License-Identifier: Apache-2.0
// The Python objects of one interpreter that all of its requests share.
#pragma once

#include <Python.h>

#include "adapters/wsgi/python/names.hpp"
#include "bindings/object.hpp"
#include "bindings/once_object.hpp"

namespace sluice::wsgi {

/// Created once for each interpreter and accessed with its GIL held. Other threads know them only when they are
/// complete, except those that are created later.
struct InterpreterObjects {
  bindings::Object module;  ///< The module mod_wsgi.
  bindings::Object input_type;
  bindings::Object start_response_type;
  bindings::Object file_wrapper_type;
  bindings::Object log_type;
  bindings::Object
      request_errors;            ///< wsgi.errors; one stream serves all requests, because it tags each line by thread.
  bindings::OnceObject environ;  ///< The part of environ that all requests share; null before the first request.
  bindings::OnceObject active_requests;  ///< The dict mod_wsgi.active_requests; null until an application asks for it.
  Names names;
};

}  // namespace sluice::wsgi
