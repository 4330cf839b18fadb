// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/python/apache_module.hpp"

#include <Python.h>

#include "bindings/object.hpp"
#include "bindings/source.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

// Runs in the module. The package of the application is run in the module itself, once, when it is first needed; its
// names do not replace those of the server.
constexpr const char* kSource = R"python(
def __getattr__(name):
    from importlib.machinery import PathFinder

    del globals()["__getattr__"]
    facts = dict(globals())
    spec = PathFinder.find_spec("apache")
    if spec is not None and spec.submodule_search_locations is not None:
        globals()["__path__"] = list(spec.submodule_search_locations)
    if spec is not None and spec.loader is not None and spec.origin is not None:
        import sys

        globals()["__file__"] = spec.origin
        spec.loader.exec_module(sys.modules["apache"])
        globals().update(facts)
    if name in globals():
        return globals()[name]
    raise AttributeError(f"module 'apache' has no attribute {name!r}")
)python";

bool set(PyObject* module, const char* name, PyObject* new_reference) {
  const Object value = steal(new_reference);
  return value && PyModule_AddObjectRef(module, name, value.ptr()) == 0;
}

PyObject* text(const std::string& value) {
  return PyUnicode_DecodeLatin1(value.data(), static_cast<Py_ssize_t>(value.size()), nullptr);
}

}  // namespace

bool add_apache_module(const ApacheFacts& facts) {
  PyObject* const module = PyImport_AddModule("apache");
  if (module == nullptr) return false;
  const int(&version)[3] = facts.version;
  return set(module, "version", Py_BuildValue("(iii)", version[0], version[1], version[2])) &&
         set(module, "maximum_processes", PyLong_FromLong(facts.maximum_processes)) &&
         set(module, "threads_per_process", PyLong_FromLong(facts.threads_per_process)) &&
         set(module, "description", text(facts.description)) && set(module, "mpm_name", text(facts.mpm_name)) &&
         set(module, "build_date", text(facts.build_date)) && bindings::run_source(PyModule_GetDict(module), kSource);
}

}  // namespace sluice::wsgi
