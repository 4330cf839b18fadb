// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/input.hpp"

#include <chrono>
#include <limits>
#include <optional>
#include <thread>
#include <utility>

#include "adapters/wsgi/python/forked_copy.hpp"
#include "bindings/critical_section.hpp"
#include "bindings/gil.hpp"
#include "bindings/type.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

struct InputObject {
  PyObject_HEAD InputBuffer* input;  ///< Null once the request is over.
  Measurement* measurement;
  bool reading;  ///< A thread is inside a read.
  /// Guards the members, as the GIL does where there is one. A thread inside a read has left the section.
  [[no_unique_address]] bindings::SectionMutex mutex;
};

InputObject* cast(PyObject* self) { return reinterpret_cast<InputObject*>(self); }

/// Sets the exception that an error stands for. Returns null.
PyObject* raise(const absl::Status& status) {
  PyObject* const type = absl::IsResourceExhausted(status) ? PyExc_MemoryError : PyExc_OSError;
  return PyErr_Format(type, "request data read error: %s", std::string(status.message()).c_str());
}

/// Returns the buffer for the only read at a time, until end_read(). Returns null with an exception set.
InputBuffer* begin_read(InputObject& object, const char* name) {
  const bindings::CriticalSection section(object.mutex);
  if (object.input == nullptr) {
    PyErr_Format(PyExc_RuntimeError, "%s() called on wsgi.input after request completed", name);
    return nullptr;
  }
  if (object.reading) {
    PyErr_Format(PyExc_RuntimeError, "%s() called on wsgi.input while another thread reads it", name);
    return nullptr;
  }
  ForkedCopy::end_if_this();
  object.reading = true;
  // finish_input() resets `object.input` when the request ends meanwhile, but waits for `reading` before the buffer is
  // destroyed.
  return object.input;
}

void end_read(InputObject& object) {
  const bindings::CriticalSection section(object.mutex);
  object.reading = false;
}

/// Calls `read(input, measurement)`, which returns an object, as the only read at a time. Returns null with an
/// exception set.
template <class Read>
PyObject* run(PyObject* self, const char* name, Read&& read) {
  InputBuffer* const input = begin_read(*cast(self), name);
  if (input == nullptr) return nullptr;
  absl::StatusOr<Object> result;
  try {
    result = read(*input, *cast(self)->measurement);
    if (result.ok() && !*result) input->fail();
  } catch (const std::exception&) {
    input->fail();
    result = absl::ResourceExhaustedError("there is not enough memory");
  }
  end_read(*cast(self));
  return result.ok() ? result->release().ptr() : raise(result.status());
}

/// A bytes object that is filled in place and can grow. The caller holds the GIL, except to write into from().
class Bytes {
 public:
  Bytes() = default;
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;
  ~Bytes() { Py_XDECREF(bytes_); }

  /// Returns false with an exception set; the object is then empty.
  [[nodiscard]] bool resize(std::size_t size) {
    if (bytes_ == nullptr) {
      bytes_ = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size));
    } else if (size != this->size()) {
      _PyBytes_Resize(&bytes_, static_cast<Py_ssize_t>(size));
    }
    return bytes_ != nullptr;
  }
  [[nodiscard]] absl::Span<char> from(std::size_t start) {
    return absl::MakeSpan(PyBytes_AS_STRING(bytes_), size()).subspan(start);
  }
  [[nodiscard]] Object take() { return steal(std::exchange(bytes_, nullptr)); }

 private:
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(PyBytes_GET_SIZE(bytes_)); }

  PyObject* bytes_ = nullptr;
};

absl::StatusOr<Object> read_bytes(InputBuffer& input, Measurement& measurement, std::size_t limit) {
  Bytes bytes;
  std::size_t size = 0;
  while (size < limit) {
    const bool available = input.available(limit - size);
    const std::size_t room = input.bytes_to_read(limit - size, size);
    if (room == 0) break;
    if (!bytes.resize(size + room)) return Object();
    std::optional<bindings::WithoutGil> released;
    if (!available) released.emplace(&measurement.done.gil_waits);
    const absl::StatusOr<std::size_t> more = input.read(bytes.from(size));
    if (!more.ok()) return more.status();
    size += *more;
    if (*more < room) break;
  }
  if (!bytes.resize(size)) return Object();
  return bytes.take();
}

absl::StatusOr<Object> read_line(InputBuffer& input, Measurement& measurement, std::size_t limit) {
  absl::StatusOr<std::string> line;
  {
    std::optional<bindings::WithoutGil> released;
    if (!input.line_available(limit)) released.emplace(&measurement.done.gil_waits);
    line = input.read_line(limit);
  }
  if (!line.ok()) return line.status();
  return steal(PyBytes_FromStringAndSize(line->data(), static_cast<Py_ssize_t>(line->size())));
}

PyObject* run_line(PyObject* self, const char* name, std::size_t limit) {
  return run(self, name,
             [limit](InputBuffer& input, Measurement& measurement) { return read_line(input, measurement, limit); });
}

/// Parses an optional size, where -1 and None mean no limit. Returns false with an exception set.
bool parse_limit(PyObject* args, const char* format, std::size_t& limit) {
  PyObject* argument = Py_None;
  if (PyArg_ParseTuple(args, format, &argument) == 0) return false;
  limit = kNoLimit;
  if (argument == Py_None) return true;
  const Py_ssize_t size = PyNumber_AsSsize_t(argument, PyExc_OverflowError);
  if (size == -1 && PyErr_Occurred() != nullptr) return false;
  if (size >= 0) limit = static_cast<std::size_t>(size);
  return true;
}

PyObject* input_read(PyObject* self, PyObject* args) {
  std::size_t limit = 0;
  if (!parse_limit(args, "|O:read", limit)) return nullptr;
  return run(self, "read",
             [limit](InputBuffer& input, Measurement& measurement) { return read_bytes(input, measurement, limit); });
}

PyObject* input_readline(PyObject* self, PyObject* args) {
  std::size_t limit = 0;
  if (!parse_limit(args, "|O:readline", limit)) return nullptr;
  return run_line(self, "readline", limit);
}

PyObject* input_readlines(PyObject* self, PyObject* args) {
  std::size_t hint = 0;
  if (!parse_limit(args, "|O:readlines", hint)) return nullptr;
  if (hint == 0) hint = kNoLimit;
  Object lines = steal(PyList_New(0));
  std::size_t total = 0;
  while (lines && total < hint) {
    const Object line = steal(run_line(self, "readlines", kNoLimit));
    if (!line) return nullptr;
    if (PyBytes_GET_SIZE(line.ptr()) == 0) break;
    if (PyList_Append(lines.ptr(), line.ptr()) < 0) return nullptr;
    total += static_cast<std::size_t>(PyBytes_GET_SIZE(line.ptr()));
  }
  return lines.release().ptr();
}

PyObject* input_close(PyObject*, PyObject*) { Py_RETURN_NONE; }

PyObject* input_next(PyObject* self) {
  Object line = steal(run_line(self, "__next__", kNoLimit));
  if (!line || PyBytes_GET_SIZE(line.ptr()) == 0) return nullptr;
  return line.release().ptr();
}

PyMethodDef methods[] = {
    {"read", input_read, METH_VARARGS,
     "read(size=-1, /)\n--\n\nReturn up to size bytes, or all of them; fewer only at the end of the body."},
    {"readline", input_readline, METH_VARARGS,
     "readline(size=-1, /)\n--\n\nReturn bytes up to and including the next line end."},
    {"readlines", input_readlines, METH_VARARGS,
     "readlines(hint=-1, /)\n--\n\nReturn lines until they have hint bytes in all, or all lines."},
    {"close", input_close, METH_NOARGS, "close()\n--\n\nDo nothing, because the body belongs to the server."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

Object make_input_type() {
  return bindings::make_type<InputObject>("mod_wsgi.Input", "The body of one request as a binary stream.",
                                          {{Py_tp_methods, methods},
                                           {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
                                           {Py_tp_iternext, reinterpret_cast<void*>(input_next)}});
}

Object make_input(PyObject* type, InputBuffer& input, Measurement& measurement) {
  Object object = bindings::make_instance(type);
  if (object) {
    cast(object.ptr())->input = &input;
    cast(object.ptr())->measurement = &measurement;
  }
  return object;
}

void finish_input(PyObject* input, Measurement& measurement) {
  InputObject& object = *cast(input);
  const bindings::CriticalSection section(object.mutex);
  object.input = nullptr;
  while (object.reading) {
    const bindings::WithoutGil released(&measurement.done.gil_waits);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace sluice::wsgi
