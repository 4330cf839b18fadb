// Owned references to Python objects, by pybind11's types. Only those are used of pybind11 in here: they count
// references and need none of its registries, which do not stand sub-interpreters on every version of Python.
#pragma once

#include <pybind11/pytypes.h>

namespace sluice::bindings {

using Object = pybind11::object;

/// Takes over a new reference; null stays null, with the exception that came with it.
inline Object steal(PyObject* reference) noexcept { return pybind11::reinterpret_steal<Object>(reference); }

inline Object borrow(PyObject* reference) noexcept { return pybind11::reinterpret_borrow<Object>(reference); }

}  // namespace sluice::bindings
