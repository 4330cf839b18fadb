// SPDX-License-Identifier: Apache-2.0
// Conversion of C++ values to Python objects. Each function returns a new reference, or null with an exception set.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>

#include "bindings/object.hpp"
#include "sluice/units.hpp"

namespace sluice::bindings {

inline PyObject* number(std::uint64_t value) { return PyLong_FromUnsignedLongLong(value); }
inline PyObject* number(double value) { return PyFloat_FromDouble(value); }

/// Returns a list of `size` items. `item_at(i)` returns a new reference, or null with an exception set.
template <class ItemAt>
PyObject* list_of(std::size_t size, ItemAt&& item_at) {
  Object list = steal(PyList_New(static_cast<Py_ssize_t>(size)));
  for (std::size_t i = 0; list && i < size; ++i) {
    PyObject* const item = item_at(i);
    if (item == nullptr) return nullptr;
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), item);
  }
  return list.release().ptr();
}

/// Returns a list of `size` zeros.
inline PyObject* zeros(std::size_t size) {
  const Object zero = steal(list_of(1, [](std::size_t) { return number(std::uint64_t{0}); }));
  return zero ? PySequence_Repeat(zero.ptr(), static_cast<Py_ssize_t>(size)) : nullptr;
}

/// Sets an item of a list that the caller made. Returns false with an exception set.
inline bool set_count(const Object& list, std::size_t i, std::uint64_t count) {
  PyObject* const item = number(count);
  return item != nullptr && PyList_SetItem(list.ptr(), static_cast<Py_ssize_t>(i), item) == 0;
}

}  // namespace sluice::bindings
