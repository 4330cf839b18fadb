// SPDX-License-Identifier: Apache-2.0
// Heap types of one interpreter with plain C++ members. Python code cannot create instances.
#pragma once

#include <Python.h>

#include <initializer_list>
#include <vector>

#include "bindings/object.hpp"

namespace sluice::bindings {

/// Frees an instance whose members hold no references.
inline void free_instance(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

/// Returns a new type, or null with an exception set. `name` has static storage. Instances begin with zeroed members,
/// which must hold no references, because the types take no part in cyclic garbage collection.
template <class Instance>
Object make_type(const char* name, const char* doc, std::initializer_list<PyType_Slot> special) {
  std::vector<PyType_Slot> slots = {{Py_tp_doc, const_cast<char*>(doc)},
                                    {Py_tp_dealloc, reinterpret_cast<void*>(free_instance)}};
  slots.insert(slots.end(), special);
  slots.push_back({0, nullptr});
  PyType_Spec spec = {name, sizeof(Instance), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots.data()};
  return steal(PyType_FromSpec(&spec));
}

/// Returns a new instance, or null with an exception set.
inline Object make_instance(PyObject* type) {
  auto* const raw = reinterpret_cast<PyTypeObject*>(type);
  return steal(raw->tp_alloc(raw, 0));
}

}  // namespace sluice::bindings
