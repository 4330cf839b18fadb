// SPDX-License-Identifier: Apache-2.0
// The event subscribers of one interpreter.
#pragma once

#include <Python.h>

#include "bindings/host.hpp"
#include "bindings/object.hpp"

namespace sluice::bindings {

class Subscribers {
 public:
  /// Creates an empty list. Returns false with an exception set.
  [[nodiscard]] bool create();
  void clear() noexcept { callbacks_ = {}; }
  int traverse(visitproc visit, void* arg) const;

  /// Appends a callable and returns a new reference to it, for use as a decorator. Returns null with TypeError set.
  [[nodiscard]] PyObject* add(PyObject* callback);

  /// The list of the subscribers, which an application may change. Null before create().
  [[nodiscard]] PyObject* list() const noexcept { return callbacks_.ptr(); }

  [[nodiscard]] bool empty() const noexcept { return !callbacks_ || PyList_GET_SIZE(callbacks_.ptr()) == 0; }

  /// Calls each subscriber as callback(name, **event), in the order of their subscription. Merges a dict that one
  /// returns into `event` for the later ones. Logs an exception with its traceback and goes on. Leaves no exception
  /// set.
  void publish(const char* name, PyObject* event, const Host& host) const;

 private:
  Object callbacks_;
};

}  // namespace sluice::bindings
