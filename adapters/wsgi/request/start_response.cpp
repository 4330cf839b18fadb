// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/start_response.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "adapters/wsgi/request/head_rules.hpp"
#include "bindings/critical_section.hpp"
#include "bindings/gil.hpp"
#include "bindings/items.hpp"
#include "bindings/type.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

/// Views the Latin-1 characters of a str, which owns them. Returns false with an exception set when it has others.
bool latin1(PyObject* value, std::string_view& text) {
  if (PyUnicode_Check(value) == 0) {
    PyErr_Format(PyExc_TypeError, "must be str, not %.200s", Py_TYPE(value)->tp_name);
    return false;
  }
#if PY_VERSION_HEX < 0x030C0000
  if (PyUnicode_READY(value) < 0) return false;
#endif
  if (PyUnicode_KIND(value) != PyUnicode_1BYTE_KIND) {
    static_cast<void>(steal(PyUnicode_AsLatin1String(value)));  // sets the exception
    return false;
  }
  text = {reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(value)),
          static_cast<std::size_t>(PyUnicode_GET_LENGTH(value))};
  return true;
}

/// Sets ValueError for a violation. Returns false.
bool refuse(const HeadViolation& broken) {
  if (broken.text.data() == nullptr) {
    PyErr_SetString(PyExc_ValueError, broken.rule);
    return false;
  }
  const Object bytes =
      steal(PyBytes_FromStringAndSize(broken.text.data(), static_cast<Py_ssize_t>(broken.text.size())));
  if (bytes) PyErr_Format(PyExc_ValueError, "%s: %R", broken.rule, bytes.ptr());
  return false;
}

bool keeps(const HeadCheck& check) { return !check || refuse(*check); }

/// Adds a header. One that only the server may set is left out, and its name stored.
bool add_header(PyObject* header, Headers& headers, std::string& dropped) {
  if (PyTuple_Check(header) == 0) {
    PyErr_Format(PyExc_TypeError, "each header must be a 2-tuple, not %.200s", Py_TYPE(header)->tp_name);
    return false;
  }
  if (PyTuple_GET_SIZE(header) != 2) {
    PyErr_Format(PyExc_ValueError, "each header must be a 2-tuple, got length %zd", PyTuple_GET_SIZE(header));
    return false;
  }
  std::string_view name;
  if (!latin1(PyTuple_GET_ITEM(header, 0), name)) return false;
  if (const HeadCheck check = check_field_name(name)) {
    if (!is_hop_by_hop(name)) return refuse(*check);
    dropped = name;
    return true;
  }
  std::string_view value;
  if (!latin1(PyTuple_GET_ITEM(header, 1), value) || !keeps(check_field_value(value))) return false;
  headers.emplace_back(name, value);
  return true;
}

/// Parses the status and the headers, which is a list, into an empty head. Returns false with TypeError, ValueError or
/// UnicodeEncodeError set. Leaves hop-by-hop headers out, and stores the name of the last one in `dropped`.
bool parse_head(PyObject* status, PyObject* headers, ResponseHead& head, std::string& dropped) {
  std::string_view line;
  if (!latin1(status, line) || !keeps(check_status_line(line, head.status))) return false;
  head.status_line = line;
  head.headers.reserve(static_cast<std::size_t>(PyList_GET_SIZE(headers)));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); ++i) {
    const Object header = bindings::item_at(headers, i);
    if (!header) break;
    if (!add_header(header.ptr(), head.headers, dropped)) return false;
  }
  return true;
}

/// Stores the Content-Length among the headers, if there is one. Returns false with ValueError set when it is no
/// length, or when two headers have different values.
bool parse_content_length(const Headers& headers, std::optional<std::uint64_t>& length) {
  const HeadCheck check = find_content_length(headers, length);
  if (check) PyErr_Format(PyExc_ValueError, "%s: '%s'", check->rule, std::string(check->text).c_str());
  return !check;
}

/// Warns once in the life of a process.
void log_dropped_header(const Exchange& exchange, const std::string& name) noexcept {
  static std::atomic<bool> logged{false};
  if (logged.exchange(true, std::memory_order_relaxed)) return;  // publishes no other data
  exchange.log(LogLevel::kWarning,
               absl::StrCat("SLC1003: the header '", name,
                            "' of a response is left out, because only the server may set "
                            "it; this and other hop-by-hop headers are left out from now on without a message. Remove "
                            "them from the application."));
}

struct StartResponseObject {
  PyObject_HEAD Response* response;  ///< Null once the request is over.
  ResponseObserver* observer;        ///< Never changes; not used after `response` is null.
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

/// Starts the response with the arguments of the application. Returns false with an exception set.
bool start(Response& response, ResponseObserver& observer, PyObject* status, PyObject* headers, PyObject* exc_info) {
  return response.start(exc_info, [&](ResponseHead& head, std::optional<std::uint64_t>& content_length) {
    observer.response_started(status, headers, exc_info);
    std::string dropped;
    if (!parse_head(status, headers, head, dropped)) return false;
    if (!parse_content_length(head.headers, content_length)) return false;
    if (!dropped.empty()) [[unlikely]]
      log_dropped_header(response.exchange(), dropped);
    return true;
  });
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
  ResponseObserver& observer = *cast(self).observer;
  if (!guarded([&] { return start(*response, observer, status, headers, exc_info); })) return nullptr;
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

Object make_start_response(PyObject* type, Response& response, ResponseObserver& observer) {
  Object object = bindings::make_instance(type);
  if (!object) return object;
  cast(object.ptr()).response = &response;
  cast(object.ptr()).observer = &observer;
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
