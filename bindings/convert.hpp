// Python values of plain ones. Each gives a new reference, or null with an exception set.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>

#include "bindings/object.hpp"

namespace sluice::bindings {

inline PyObject* number(std::uint64_t value) { return PyLong_FromUnsignedLongLong(value); }
inline PyObject* number(double value) { return PyFloat_FromDouble(value); }

/// A list of so many items. `item_at(i)` gives a new reference, or null with an exception set.
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

/// `count_at(i)` is a std::uint64_t. Most counts of a histogram are 0, which is one object.
template <class CountAt>
PyObject* count_list(std::size_t size, CountAt&& count_at) {
  const Object zero = steal(number(std::uint64_t{0}));
  if (!zero) return nullptr;
  return list_of(size, [&](std::size_t i) {
    const std::uint64_t count = count_at(i);
    return count == 0 ? Py_NewRef(zero.ptr()) : number(count);
  });
}

inline double seconds_of_us(std::uint64_t us) { return static_cast<double>(us) / 1e6; }
inline double seconds_of_ns(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace sluice::bindings
