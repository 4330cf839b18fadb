// The type mod_wsgi.MetricsReader: one more consumer of windows for whoever makes one.
#pragma once

#include <Python.h>

#include "absl/functional/function_ref.h"
#include "bindings/host.hpp"
#include "bindings/object.hpp"
#include "bindings/schema.hpp"

namespace sluice::bindings {

/// The type, for one interpreter. Null with an exception set.
[[nodiscard]] Object make_metrics_reader_type();

/// A new reader, which keeps `module`, to which `host` and `dict` belong. `name` is a str or None. Null with an
/// exception set.
[[nodiscard]] PyObject* make_metrics_reader(PyObject* type, PyObject* module, Host& host, const DictSchema& dict,
                                            PyObject* name);

/// Drains `drain(window)` without the lock of the interpreter and makes the dict; null with an exception set.
[[nodiscard]] PyObject* window_dict(const DictSchema& dict, absl::FunctionRef<absl::Status(Window&)> drain);

/// quantile(window, phase, q) of the module.
[[nodiscard]] PyObject* quantile_of(PyObject* module, PyObject* args, PyObject* kwargs);

}  // namespace sluice::bindings
