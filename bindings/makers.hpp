// Python values of plain ones. Each gives a new reference, or null with an exception set.
#pragma once

#include <Python.h>

#include <cstddef>
#include <cstdint>

#include "bindings/object.hpp"

namespace sluice::bindings {

inline PyObject* number(std::uint64_t value) { return PyLong_FromUnsignedLongLong(value); }
inline PyObject* number(double value) { return PyFloat_FromDouble(value); }

/// `value_at(i)` is a std::uint64_t or a double.
template <class ValueAt>
PyObject* number_list(std::size_t size, ValueAt&& value_at) {
  Object list = steal(PyList_New(static_cast<Py_ssize_t>(size)));
  for (std::size_t i = 0; list && i < size; ++i) {
    PyObject* const item = number(value_at(i));
    if (item == nullptr) return nullptr;
    PyList_SET_ITEM(list.ptr(), static_cast<Py_ssize_t>(i), item);
  }
  return list.release().ptr();
}

inline double seconds_of_us(std::uint64_t us) { return static_cast<double>(us) / 1e6; }
inline double seconds_of_ns(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace sluice::bindings
