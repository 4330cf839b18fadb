// SPDX-License-Identifier: Apache-2.0
// The built-in Python module `mod_wsgi`: a multi-phase extension module that keeps its state in the module object, so
// that each interpreter has its own. Its Host provides everything that is not Python. The caller of each function holds
// the GIL.
#pragma once

#include <Python.h>

#include <string>

#include "bindings/events.hpp"
#include "bindings/host.hpp"
#include "bindings/object.hpp"

namespace sluice::bindings {

/// The version of the mod_wsgi interface that the module implements, as in its attribute `version`.
inline constexpr int kInterfaceVersion[3] = {6, 1, 1};

/// The initialization function for PyImport_AppendInittab(). The module must be bound before it is used.
PyObject* init_module();

/// Returns a new module object outside of sys.modules that is bound to `host`, or null with an exception set.
[[nodiscard]] Object make_module(Host& host, const std::string& application_group);

/// Binds a module to its host and sets its attributes. Returns false with an exception set.
[[nodiscard]] bool bind_module(PyObject* module, Host& host, const std::string& application_group);

/// Publishes `process_stopping` to the interpreter of this module.
void publish_process_stopping(PyObject* module, const std::string& shutdown_reason);

/// Publishes `process_signal` to the interpreter of this module.
void publish_process_signal(PyObject* module, const char* name, int number);

/// Whether code in the interpreter of this module has subscribed to events.
[[nodiscard]] bool has_event_subscribers(PyObject* module) noexcept;

/// Publishes an event to the interpreter of this module. `event` is a dict, to which subscribers may add entries. An
/// exception that is set before the call is set after it.
void publish_event(PyObject* module, const char* name, PyObject* event);

/// Returns the exception mod_wsgi.RequestTimeout of this module as a borrowed reference.
[[nodiscard]] PyObject* request_timeout_type(PyObject* module) noexcept;

}  // namespace sluice::bindings
