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

/// Returns a list of `size` counts, of which `count_at(i)` is one. All zeros share one object, because most buckets of
/// a histogram are empty.
template <class CountAt>
PyObject* count_list(std::size_t size, CountAt&& count_at) {
  const Object zero = steal(number(std::uint64_t{0}));
  if (!zero) return nullptr;
  return list_of(size, [&](std::size_t i) {
    const std::uint64_t count = count_at(i);
    return count == 0 ? Py_NewRef(zero.ptr()) : number(count);
  });
}

}  // namespace sluice::bindings
