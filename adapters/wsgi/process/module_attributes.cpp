// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/process/module_attributes.hpp"

#include <string_view>

#include "adapters/wsgi/process/thread.hpp"
#include "adapters/wsgi/request/request_events.hpp"
#include "bindings/items.hpp"
#include "bindings/object.hpp"
#include "bindings/source.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

constexpr const char* kCapsule = "mod_wsgi.context";

// Written in Python, because none of it runs for an interpreter that does not use it. setdefault() is atomic, so that
// all threads get the same object.
constexpr const char* kSource = R"python(
def log_handler():
    import logging

    class LogHandler(logging.Handler):
        """Handler that writes records to the error log of the server, each with its level."""

        def emit(self, record):
            try:
                if logs(record.levelno):
                    log(record.levelno, self.format(record))
            except RecursionError:
                raise
            except Exception:
                self.handleError(record)

    LogHandler.__module__ = "mod_wsgi"
    LogHandler.__qualname__ = "LogHandler"
    return LogHandler

def installed_path():
    from importlib.machinery import PathFinder

    spec = PathFinder.find_spec("mod_wsgi")
    if spec is None or spec.submodule_search_locations is None:
        raise AttributeError("no package mod_wsgi is installed")
    return list(spec.submodule_search_locations)

makers = {"LogHandler": log_handler, "__path__": installed_path, "active_requests": active_requests}

def __getattr__(name):
    make = makers.get(name)
    if make is None:
        raise AttributeError(f"module 'mod_wsgi' has no attribute {name!r}")
    return attributes.setdefault(name, make())
)python";

ModuleContext* context_of(PyObject* capsule) {
  return static_cast<ModuleContext*>(PyCapsule_GetPointer(capsule, kCapsule));
}

/// Returns the level of the server's log for a level of the module `logging`; between two, the lower one.
LogLevel level_of(long level) {
  if (level >= 50) return LogLevel::kCritical;
  if (level >= 40) return LogLevel::kError;
  if (level >= 30) return LogLevel::kWarning;
  if (level >= 20) return LogLevel::kInfo;
  return LogLevel::kDebug;
}

PyObject* logs(PyObject* capsule, PyObject* level) {
  const ModuleContext* const context = context_of(capsule);
  const long number = context != nullptr ? PyLong_AsLong(level) : -1;
  if (context == nullptr || (number == -1 && PyErr_Occurred() != nullptr)) return nullptr;
  const Exchange* const exchange = ThreadContext::current_exchange();
  const bool yes = exchange != nullptr ? exchange->logs(level_of(number)) : context->host->logs(level_of(number));
  return PyBool_FromLong(yes ? 1 : 0);
}

/// Logs each line of a text.
PyObject* log(PyObject* capsule, PyObject* args) {
  const ModuleContext* const context = context_of(capsule);
  long level = 0;
  PyObject* text = nullptr;
  if (context == nullptr || PyArg_ParseTuple(args, "lU:log", &level, &text) == 0) return nullptr;
  // Lone surrogates are escaped, because UTF-8 cannot encode them.
  const Object bytes = steal(PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace"));
  if (!bytes) return nullptr;
  std::string_view rest(PyBytes_AS_STRING(bytes.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr())));
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    context->host->log_for_request(level_of(level), line);
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  Py_RETURN_NONE;
}

PyObject* active_requests(PyObject* capsule, PyObject*) {
  ModuleContext* const context = context_of(capsule);
  if (context == nullptr) return nullptr;
  if (!RequestEvents::track_active(*context->objects)) return nullptr;
  return Py_NewRef(context->objects->active_requests.get());
}

PyMethodDef functions[] = {
    {"logs", logs, METH_O, nullptr},
    {"log", log, METH_VARARGS, nullptr},
    {"active_requests", active_requests, METH_NOARGS, nullptr},
};

}  // namespace

bool add_module_attributes(PyObject* module, ModuleContext& context) {
  const Object capsule = steal(PyCapsule_New(&context, kCapsule, nullptr));
  const Object scope =
      steal(Py_BuildValue("{s:s,s:O}", "__name__", "mod_wsgi", "attributes", PyModule_GetDict(module)));
  if (!capsule || !scope) return false;
  for (PyMethodDef& function : functions) {
    const Object callable = steal(PyCFunction_New(&function, capsule.ptr()));
    if (!callable || PyDict_SetItemString(scope.ptr(), function.ml_name, callable.ptr()) < 0) return false;
  }
  if (!bindings::run_source(scope.ptr(), kSource)) return false;
  const Object get = bindings::item_of(scope.ptr(), "__getattr__");
  return get && PyModule_AddObjectRef(module, "__getattr__", get.ptr()) == 0 &&
         PyModule_AddObjectRef(module, "FileWrapper", context.objects->file_wrapper_type.ptr()) == 0;
}

}  // namespace sluice::wsgi
