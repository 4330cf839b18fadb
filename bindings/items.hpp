// SPDX-License-Identifier: Apache-2.0
// Items of dicts and lists as owned references, because another thread may remove an item at any time. Where there is a
// GIL, no thread can do so between the look-up and the new reference.
#pragma once

#include <Python.h>

#include "bindings/object.hpp"

namespace sluice::bindings {

/// Returns the value of a key; null when there is none, and, with an exception set, after an error.
inline Object item_of(PyObject* dict, PyObject* key) {
#if PY_VERSION_HEX >= 0x030D0000
  PyObject* value = nullptr;
  static_cast<void>(PyDict_GetItemRef(dict, key, &value));
  return steal(value);
#else
  return borrow(PyDict_GetItemWithError(dict, key));
#endif
}

/// The same for a text as the key. Leaves no exception set.
inline Object item_of(PyObject* dict, const char* key) {
#if PY_VERSION_HEX >= 0x030D0000
  PyObject* value = nullptr;
  if (PyDict_GetItemStringRef(dict, key, &value) < 0) PyErr_Clear();
  return steal(value);
#else
  return borrow(PyDict_GetItemString(dict, key));
#endif
}

/// Returns an item of a list at an index that was below its size. Returns null, with no exception set, when another
/// thread has made the list shorter since.
inline Object item_at(PyObject* list, Py_ssize_t index) {
#ifdef Py_GIL_DISABLED
  PyObject* const item = PyList_GetItemRef(list, index);
  if (item == nullptr) PyErr_Clear();
  return steal(item);
#else
  return borrow(PyList_GET_ITEM(list, index));
#endif
}

}  // namespace sluice::bindings
