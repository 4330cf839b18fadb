// SPDX-License-Identifier: Apache-2.0
// Owned references to Python objects. Of pybind11 only the types that count references are used here, because its
// registries do not work with sub-interpreters on every version of Python.
#pragma once

#include <pybind11/pytypes.h>

namespace sluice::bindings {

using Object = pybind11::object;

/// Takes ownership of a new reference. Null stays null.
inline Object steal(PyObject* reference) noexcept { return pybind11::reinterpret_steal<Object>(reference); }

inline Object borrow(PyObject* reference) noexcept { return pybind11::reinterpret_borrow<Object>(reference); }

}  // namespace sluice::bindings
