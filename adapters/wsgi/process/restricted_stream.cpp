// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/process/restricted_stream.hpp"

#include "bindings/type.hpp"

namespace sluice::wsgi {

using bindings::Object;

namespace {

struct RestrictedObject {
  PyObject_HEAD const char* name;
};

/// Only `closed` has a value, so that Python does not flush the stream at its end.
PyObject* restricted_getattro(PyObject* self, PyObject* name) {
  if (PyUnicode_CompareWithASCIIString(name, "closed") == 0) Py_RETURN_TRUE;
  return PyErr_Format(PyExc_OSError, "%s access restricted by mod_wsgi",
                      reinterpret_cast<RestrictedObject*>(self)->name);
}

}  // namespace

Object make_restricted_stream(const char* name) {
  const Object type = bindings::make_type<RestrictedObject>(
      "mod_wsgi.Restricted", "A standard stream that the configuration of the server restricts.",
      {{Py_tp_getattro, reinterpret_cast<void*>(restricted_getattro)}});
  Object stream = type ? bindings::make_instance(type.ptr()) : Object();
  if (stream) reinterpret_cast<RestrictedObject*>(stream.ptr())->name = name;
  return stream;
}

}  // namespace sluice::wsgi
