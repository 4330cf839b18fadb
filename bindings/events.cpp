// SPDX-License-Identifier: Apache-2.0
#include "bindings/events.hpp"

#include <string>

#include "absl/strings/str_cat.h"
#include "bindings/traceback.hpp"

namespace sluice::bindings {
namespace {

/// Calls one subscriber and merges the dict that it returns into `event`. Returns false with an exception set, and
/// merges nothing, also if a key of the dict is no str, because later subscribers could not be called with it.
bool call(PyObject* callback, PyObject* args, PyObject* event) {
  const Object result = steal(PyObject_Call(callback, args, event));
  if (!result) return false;
  if (PyDict_Check(result.ptr()) == 0) return true;
  return PyArg_ValidateKeywordArguments(result.ptr()) != 0 && PyDict_Update(event, result.ptr()) == 0;
}

}  // namespace

bool Subscribers::create() {
  callbacks_ = steal(PyList_New(0));
  return static_cast<bool>(callbacks_);
}

int Subscribers::traverse(visitproc visit, void* arg) const {
  Py_VISIT(callbacks_.ptr());
  return 0;
}

PyObject* Subscribers::add(PyObject* callback) {
  if (PyCallable_Check(callback) == 0) {
    return PyErr_Format(PyExc_TypeError, "a subscriber must be callable, not %.200s", Py_TYPE(callback)->tp_name);
  }
  if (PyList_Append(callbacks_.ptr(), callback) < 0) return nullptr;
  return borrow(callback).release().ptr();
}

void Subscribers::publish(const char* name, PyObject* event, const Host& host) const {
  if (empty()) return;
  const Object args = steal(Py_BuildValue("(s)", name));
  // Iterates over a copy, because a subscriber may add subscribers.
  const Object callbacks = args ? steal(PyList_AsTuple(callbacks_.ptr())) : Object();
  for (Py_ssize_t i = 0; callbacks && i < PyTuple_GET_SIZE(callbacks.ptr()); ++i) {
    if (call(PyTuple_GET_ITEM(callbacks.ptr(), i), args.ptr(), event)) continue;
    host.log_for_request(LogLevel::kError,
                         absl::StrCat("SLC0100: a subscriber to event '", name, "' raised ", exception_name(),
                                      "; the event goes on to the other subscribers. Traceback follows."));
    for (const std::string& line : take_traceback()) host.log_for_request(LogLevel::kError, line);
  }
  PyErr_Clear();
}

}  // namespace sluice::bindings
