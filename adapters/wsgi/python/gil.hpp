// SPDX-License-Identifier: Apache-2.0
// Acquiring the lock of an interpreter (the GIL) for a scope. bindings/gil.hpp has the guard that releases it.
#pragma once

#include <Python.h>

#include "adapters/wsgi/python/forked_copy.hpp"
#include "bindings/gil.hpp"

namespace sluice::wsgi {

/// Holds the GIL of an interpreter for a scope, on a thread that holds none. `state` is the calling thread's state in
/// the interpreter. The wait for the GIL counts as a GIL wait of the request that owns `waits`, if any.
class WithGil {
 public:
  explicit WithGil(PyThreadState* state, GilWaits* waits = nullptr) noexcept { bindings::acquire_gil(state, waits); }
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;
  /// Ends the process here if it is a copy that code of the application has forked: see ForkedCopy.
  ~WithGil() {
    ForkedCopy::end_if_this();
    PyEval_SaveThread();
  }
};

}  // namespace sluice::wsgi
