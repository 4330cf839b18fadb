// SPDX-License-Identifier: Apache-2.0
// Python source that a module of the server consists of.
#pragma once

#include <Python.h>

#include "bindings/object.hpp"

namespace sluice::bindings {

/// Runs source in a scope, a dict whose names it uses and defines. Returns false with an exception set. The caller
/// holds the GIL.
inline bool run_source(PyObject* scope, const char* source) {
  if (PyDict_SetItemString(scope, "__builtins__", PyEval_GetBuiltins()) < 0) return false;
  return static_cast<bool>(steal(PyRun_String(source, Py_file_input, scope, scope)));
}

}  // namespace sluice::bindings
