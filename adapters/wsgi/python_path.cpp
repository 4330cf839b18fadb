#include "adapters/wsgi/python_path.hpp"

#include <Python.h>

#include "bindings/object.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

bool add_directory(PyObject* site, const std::string& directory) {
  const Object path =
      steal(PyUnicode_DecodeFSDefaultAndSize(directory.data(), static_cast<Py_ssize_t>(directory.size())));
  return path && steal(PyObject_CallMethod(site, "addsitedir", "O", path.ptr()));
}

}  // namespace

bool prepend_python_path(const std::vector<std::string>& directories) {
  if (directories.empty()) return true;
  const Object site = steal(PyImport_ImportModule("site"));
  PyObject* const path = PySys_GetObject("path");
  if (!site || path == nullptr || PyList_Check(path) == 0) return false;
  const Object before = steal(PyList_GetSlice(path, 0, PyList_GET_SIZE(path)));
  if (!before) return false;
  for (const std::string& directory : directories) {
    if (!add_directory(site.ptr(), directory)) return false;
  }
  Object front = steal(PyList_New(0));
  Object rest = steal(PyList_New(0));
  if (!front || !rest) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(path); ++i) {
    PyObject* const entry = PyList_GET_ITEM(path, i);
    const int known = PySequence_Contains(before.ptr(), entry);
    if (known < 0 || PyList_Append(known == 1 ? rest.ptr() : front.ptr(), entry) < 0) return false;
  }
  const Object all = steal(PySequence_Concat(front.ptr(), rest.ptr()));
  return all && PyList_SetSlice(path, 0, PyList_GET_SIZE(path), all.ptr()) == 0;
}

}  // namespace sluice::wsgi
