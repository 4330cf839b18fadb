// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/start_response.hpp"

#include <chrono>
#include <new>
#include <string_view>
#include <thread>
#include <utility>

#include "bindings/critical_section.hpp"
#include "bindings/gil.hpp"
#include "bindings/type.hpp"

namespace sluice::wsgi {

using bindings::Object;

namespace {

struct StartResponseObject {
  PyObject_HEAD Response* response;  ///< Null once the request is over.
  /// Guards `response` and what it points to. A thread that has read the pointer stays inside until the response counts
  /// the thread as its user.
  [[no_unique_address]] bindings::SectionMutex mutex;
};

StartResponseObject& cast(PyObject* self) { return *reinterpret_cast<StartResponseObject*>(self); }

Response* response_of(PyObject* self, const char* what) {
  Response* const response = cast(self).response;
  if (response == nullptr) PyErr_Format(PyExc_RuntimeError, "%s() called after request completed", what);
  return response;
}

PyObject* start_response_write(PyObject* self, PyObject* data);

PyMethodDef methods[] = {
    {"write", start_response_write, METH_O,
     "write(data, /)\n--\n\nSend bytes to the client, before those of the iterable."},
    {nullptr, nullptr, 0, nullptr},
};

/// Calls `action`, which returns true or sets an exception. Turns std::bad_alloc into MemoryError, because no exception
/// of C++ may pass through Python's frames.
template <class Action>
bool guarded(Action&& action) {
  try {
    return action();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return false;
  }
}

PyObject* start_response_call(PyObject* self, PyObject* args, PyObject* keywords) {
  const bindings::CriticalSection section(cast(self).mutex);
  Response* const response = response_of(self, "start_response");
  if (response == nullptr) return nullptr;
  if (keywords != nullptr && PyDict_GET_SIZE(keywords) != 0) {
    PyErr_SetString(PyExc_TypeError, "start_response() takes positional arguments only");
    return nullptr;
  }
  PyObject* status = nullptr;
  PyObject* headers = nullptr;
  PyObject* exc_info = Py_None;
  if (PyArg_ParseTuple(args, "OO!|O:start_response", &status, &PyList_Type, &headers, &exc_info) == 0) return nullptr;
  if (!guarded([&] { return response->start(status, headers, exc_info); })) return nullptr;
  return PyCFunction_New(methods, self);  // write()
}

PyObject* start_response_write(PyObject* self, PyObject* data) {
  const bindings::CriticalSection section(cast(self).mutex);
  Response* const response = response_of(self, "write");
  if (response == nullptr) return nullptr;
  if (PyBytes_Check(data) == 0) {
    return PyErr_Format(PyExc_TypeError, "write() argument must be bytes, not %.200s", Py_TYPE(data)->tp_name);
  }
  const std::string_view block(PyBytes_AS_STRING(data), static_cast<std::size_t>(PyBytes_GET_SIZE(data)));
  if (block.empty()) Py_RETURN_NONE;
  const Object keep = bindings::borrow(data);
  if (!guarded([&] { return response->send({&block, 1}, false); })) {
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_OSError, "the client closed the connection");
    return nullptr;
  }
  Py_RETURN_NONE;
}

}  // namespace

Object make_start_response_type() {
  return bindings::make_type<StartResponseObject>(
      "mod_wsgi.StartResponse", "The start_response callable of one request.",
      {{Py_tp_methods, methods}, {Py_tp_call, reinterpret_cast<void*>(start_response_call)}});
}

Object make_start_response(PyObject* type, Response& response) {
  Object object = bindings::make_instance(type);
  if (!object) return object;
  cast(object.ptr()).response = &response;
  response.share(&cast(object.ptr()).mutex);
  return object;
}

void finish_start_response(PyObject* start_response, Measurement& measurement) {
  const bindings::CriticalSection section(cast(start_response).mutex);
  Response* const response = std::exchange(cast(start_response).response, nullptr);
  while (response->in_use()) {
    const bindings::WithoutGil released(&measurement.done.gil_waits);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace sluice::wsgi
