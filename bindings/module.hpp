// The built-in Python module `mod_wsgi`: a multi-phase extension module with all state in the module object, so that
// every interpreter has its own. It asks its Host for everything that is not Python.
#pragma once

#include <Python.h>

#include <string>

#include "bindings/events.hpp"
#include "bindings/host.hpp"
#include "bindings/object.hpp"

namespace sluice::bindings {

/// The version of the mod_wsgi interface that the module follows, as in its attribute `version`.
inline constexpr int kInterfaceVersion[3] = {6, 1, 1};

/// For PyImport_AppendInittab("mod_wsgi", ...). A module made so must be bound before it is used.
PyObject* init_module();

/// A new module object of its own that is in no sys.modules, bound to `host`. Null with an exception set.
[[nodiscard]] Object make_module(Host& host, const std::string& application_group);

/// Ties a module of this definition to its host and sets its attributes. False with an exception set.
[[nodiscard]] bool bind_module(PyObject* module, Host& host, const std::string& application_group);

/// Publishes `process_stopping` to the interpreter that has this module.
void publish_process_stopping(PyObject* module, const std::string& shutdown_reason);

/// Publishes `process_signal` to the interpreter that has this module.
void publish_process_signal(PyObject* module, const char* name, int number);

/// Whether anybody in the interpreter that has this module asked for events.
[[nodiscard]] bool has_event_subscribers(PyObject* module) noexcept;

/// Publishes an event to the interpreter that has this module. `event` is a dict, which subscribers may add to. An
/// exception that is set on the way in is set again on the way out.
void publish_event(PyObject* module, const char* name, PyObject* event);

/// The exception mod_wsgi.RequestTimeout of this module, borrowed.
[[nodiscard]] PyObject* request_timeout_type(PyObject* module) noexcept;

}  // namespace sluice::bindings
