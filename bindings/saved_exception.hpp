// SPDX-License-Identifier: Apache-2.0
// The exception that is set, put aside while other Python code runs.
#pragma once

#include <Python.h>

#include "bindings/object.hpp"

namespace sluice::bindings {

/// Takes the calling thread's exception, if one is set, and sets it again at the end of the scope, in place of one that
/// was set meanwhile. Used with the GIL held.
class SavedException {
 public:
  SavedException() noexcept {
    PyObject* type = nullptr;
    PyObject* value = nullptr;
    PyObject* traceback = nullptr;
    PyErr_Fetch(&type, &value, &traceback);
    take(type, value, traceback);
  }
  SavedException(const SavedException&) = delete;
  SavedException& operator=(const SavedException&) = delete;
  ~SavedException() {
    if (restore_) PyErr_Restore(type_.release().ptr(), value_.release().ptr(), traceback_.release().ptr());
  }

  /// Makes the value an instance of the type and gives it its traceback. May run code of the application.
  void normalize() noexcept {
    PyObject* type = type_.release().ptr();
    PyObject* value = value_.release().ptr();
    PyObject* traceback = traceback_.release().ptr();
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value != nullptr && PyExceptionInstance_Check(value) && traceback != nullptr) {
      PyException_SetTraceback(value, traceback);
    }
    take(type, value, traceback);
  }

  /// Leaves no exception set at the end of the scope.
  void discard() noexcept { restore_ = false; }

  /// Null where no exception was set.
  [[nodiscard]] const Object& type() const noexcept { return type_; }
  [[nodiscard]] const Object& value() const noexcept { return value_; }
  [[nodiscard]] const Object& traceback() const noexcept { return traceback_; }

 private:
  void take(PyObject* type, PyObject* value, PyObject* traceback) noexcept {
    type_ = steal(type);
    value_ = steal(value);
    traceback_ = steal(traceback);
  }

  Object type_;
  Object value_;
  Object traceback_;
  bool restore_ = true;
};

}  // namespace sluice::bindings
