// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/python/python_path.hpp"

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

/// Returns sys.path, or an empty list when code has replaced it by another type. Returns null with an exception set.
Object search_path() {
  Object path = bindings::borrow(PySys_GetObject("path"));
  return path && PyList_Check(path.ptr()) != 0 ? path : steal(PyList_New(0));
}

}  // namespace

bool prepend_python_path(const std::vector<std::string>& directories) {
  if (directories.empty()) return true;
  const Object site = steal(PyImport_ImportModule("site"));
  const Object before = site ? steal(PySequence_Tuple(search_path().ptr())) : Object();
  if (!before) return false;
  for (const std::string& directory : directories) {
    if (!add_directory(site.ptr(), directory)) return false;
  }
  Object front = steal(PyList_New(0));
  Object rest = steal(PyList_New(0));
  if (!front || !rest) return false;
  // Code in .pth files has run and may have replaced sys.path.
  const Object path = search_path();
  const Object entries = path ? steal(PySequence_Tuple(path.ptr())) : Object();
  if (!entries) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(entries.ptr()); ++i) {
    PyObject* const entry = PyTuple_GET_ITEM(entries.ptr(), i);
    const int is_old = PySequence_Contains(before.ptr(), entry);
    if (is_old < 0 || PyList_Append(is_old == 1 ? rest.ptr() : front.ptr(), entry) < 0) return false;
  }
  const Object all = steal(PySequence_Concat(front.ptr(), rest.ptr()));
  return all && PyList_SetSlice(path.ptr(), 0, PyList_GET_SIZE(path.ptr()), all.ptr()) == 0;
}

bool insert_first_directory(const std::string& directory) {
  if (directory.empty()) return true;
  const Object entry =
      steal(PyUnicode_DecodeFSDefaultAndSize(directory.data(), static_cast<Py_ssize_t>(directory.size())));
  const Object path = entry ? search_path() : Object();
  return path && PyList_Insert(path.ptr(), 0, entry.ptr()) == 0;
}

}  // namespace sluice::wsgi
