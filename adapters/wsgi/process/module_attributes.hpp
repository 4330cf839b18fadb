// SPDX-License-Identifier: Apache-2.0
// The attributes of the module mod_wsgi that need the server: LogHandler, FileWrapper, active_requests, and __path__,
// by which the subpackages of an installed mod_wsgi are imported.
#pragma once

#include <Python.h>

#include "adapters/wsgi/python/interpreter_objects.hpp"
#include "bindings/host.hpp"

namespace sluice::wsgi {

/// The server and the objects of an interpreter, for the functions behind the attributes. It outlives the interpreter.
struct ModuleContext {
  const bindings::Host* host = nullptr;
  InterpreterObjects* objects = nullptr;
};

/// Adds the attributes to the module of the current interpreter. All but FileWrapper are made when they are first used,
/// so that an interpreter that does not use them pays nothing for them. Returns false with an exception set.
[[nodiscard]] bool add_module_attributes(PyObject* module, ModuleContext& context);

}  // namespace sluice::wsgi
