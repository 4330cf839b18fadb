// Subscribers to events, of one interpreter, called in the order in which they came.
#pragma once

#include <Python.h>

#include "bindings/host.hpp"
#include "bindings/object.hpp"

namespace sluice::bindings {

class Subscribers {
 public:
  /// A new list. False with an exception set.
  [[nodiscard]] bool create();
  void clear() noexcept { callbacks_ = {}; }
  int traverse(visitproc visit, void* arg) const;

  /// Takes a callable to the end of the list and gives it back, so that it serves as a decorator. Null with TypeError.
  [[nodiscard]] PyObject* add(PyObject* callback);

  [[nodiscard]] bool empty() const noexcept { return !callbacks_ || PyList_GET_SIZE(callbacks_.ptr()) == 0; }

  /// Calls each as callback(name, **event). A dict that one returns is merged into `event` for those after it. One that
  /// raises is logged with its traceback, and the others still run. Leaves no exception set.
  void publish(const char* name, PyObject* event, const Host& host) const;

 private:
  Object callbacks_;
};

}  // namespace sluice::bindings
