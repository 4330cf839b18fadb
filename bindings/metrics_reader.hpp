// SPDX-License-Identifier: Apache-2.0
// The type mod_wsgi.MetricsReader: an additional consumer of windows. The caller of each function holds the GIL.
#pragma once

#include <Python.h>

#include "bindings/host.hpp"
#include "bindings/object.hpp"
#include "bindings/schema.hpp"
#include "bindings/window_reader.hpp"

namespace sluice::bindings {

/// Returns the type for one interpreter, or null with an exception set.
[[nodiscard]] Object make_metrics_reader_type();

/// Returns a new reader, or null with an exception set. The reader keeps a reference to `module`, which owns `dict`.
/// `name` is a str or None.
[[nodiscard]] PyObject* make_metrics_reader(PyObject* type, PyObject* module, Host& host, const DictSchema& dict,
                                            PyObject* name);

/// Drains `windows` without the GIL and returns the window as a dict, or null with an exception set.
[[nodiscard]] PyObject* window_dict(const DictSchema& dict, WindowReader& windows);

/// Implements the function quantile(window, phase, q) of the module.
[[nodiscard]] PyObject* quantile_of(PyObject* module, PyObject* args, PyObject* kwargs);

}  // namespace sluice::bindings
