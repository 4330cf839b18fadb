#include "adapters/wsgi/input.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <thread>

#include "bindings/type.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

constexpr std::size_t kChunk = 32 * 1024;
constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

struct InputObject {
  PyObject_HEAD InputBuffer* input;  ///< Null once the request is over.
  Measurement* measurement;
  bool reading;  ///< A thread is inside a read. Guarded by the lock.
};

InputObject* cast(PyObject* self) { return reinterpret_cast<InputObject*>(self); }

/// Runs one read, without the lock unless what it wants is at hand. Null with an exception set.
template <class AtHand, class Read>
PyObject* run(PyObject* self, const char* name, AtHand&& at_hand, Read&& read) {
  InputObject& object = *cast(self);
  if (object.input == nullptr) {
    return PyErr_Format(PyExc_RuntimeError, "%s() called on wsgi.input after request completed", name);
  }
  if (object.reading) {
    return PyErr_Format(PyExc_RuntimeError, "%s() called on wsgi.input while another thread reads it", name);
  }
  object.reading = true;
  absl::StatusOr<std::string> data;
  try {
    std::optional<WithoutGil> unlocked;
    if (!at_hand(*object.input)) unlocked.emplace(*object.measurement);
    data = read(*object.input);
  } catch (const std::exception&) {
    data = absl::ResourceExhaustedError("there is not enough memory");
  }
  object.reading = false;
  if (data.ok()) return PyBytes_FromStringAndSize(data->data(), static_cast<Py_ssize_t>(data->size()));
  PyObject* const type = absl::IsResourceExhausted(data.status()) ? PyExc_MemoryError : PyExc_OSError;
  return PyErr_Format(type, "request data read error: %s", std::string(data.status().message()).c_str());
}

PyObject* run_line(PyObject* self, const char* name, std::size_t limit) {
  return run(
      self, name, [limit](InputBuffer& input) { return input.line_at_hand(limit); },
      [limit](InputBuffer& input) { return input.read_line(limit); });
}

/// -1, None and nothing mean no limit. False with an exception set.
bool parse_limit(PyObject* args, const char* format, std::size_t& limit) {
  PyObject* given = Py_None;
  if (PyArg_ParseTuple(args, format, &given) == 0) return false;
  limit = kNoLimit;
  if (given == Py_None) return true;
  const Py_ssize_t size = PyNumber_AsSsize_t(given, PyExc_OverflowError);
  if (size == -1 && PyErr_Occurred() != nullptr) return false;
  if (size >= 0) limit = static_cast<std::size_t>(size);
  return true;
}

PyObject* input_read(PyObject* self, PyObject* args) {
  std::size_t limit = 0;
  if (!parse_limit(args, "|O:read", limit)) return nullptr;
  return run(
      self, "read", [limit](InputBuffer& input) { return input.at_hand(limit); },
      [limit](InputBuffer& input) { return input.read(limit); });
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
    {"read", input_read, METH_VARARGS, "read([size]): up to size bytes, or all; fewer only at the end of the body."},
    {"readline", input_readline, METH_VARARGS, "readline([size]): up to and with the next line end."},
    {"readlines", input_readlines, METH_VARARGS, "readlines([hint]): lines until they make up hint bytes, or all."},
    {"close", input_close, METH_NOARGS, "Does nothing: the body is the server's."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

template <class Read>
bool InputBuffer::read_once(Read&& read) {
  if (!broken_.ok() || ended_) return false;
  if (taken_ == buffer_.size()) {
    buffer_.clear();
    taken_ = 0;
  }
  const std::size_t old_size = buffer_.size();
  buffer_.resize(old_size + kChunk);
  const std::uint64_t start_ns = monotonic_ns();
  const absl::StatusOr<std::size_t> size = read(absl::MakeSpan(buffer_).subspan(old_size));
  measurement_.input_ns += monotonic_ns() - start_ns;
  buffer_.resize(old_size + size.value_or(0));
  if (absl::IsUnavailable(size.status())) return false;
  ++measurement_.done.input_reads;
  if (!size.ok()) {
    broken_ = size.status();
    return false;
  }
  measurement_.done.input_bytes += *size;
  ended_ = *size == 0;
  return true;
}

absl::Status InputBuffer::fill() {
  read_once([this](absl::Span<char> into) { return exchange_.read(into); });
  return broken_;
}

/// What arrives is taken up to a chunk: the rest comes without the lock.
template <class Enough>
bool InputBuffer::arrived(Enough&& enough) {
  while (!enough()) {
    if (buffered() >= kChunk) return false;
    if (!read_once([this](absl::Span<char> into) { return exchange_.read_arrived(into); })) return !broken_.ok();
  }
  return true;
}

bool InputBuffer::at_hand(std::size_t limit) {
  return arrived([&] { return ended_ || buffered() >= limit; });
}

bool InputBuffer::line_at_hand(std::size_t limit) {
  return arrived([&] { return ended_ || buffered() >= limit || buffer_.find('\n', taken_) != std::string::npos; });
}

std::string InputBuffer::take(std::size_t size) {
  std::string data = buffer_.substr(taken_, size);
  taken_ += data.size();
  if (taken_ > kChunk) {
    buffer_.erase(0, taken_);
    taken_ = 0;
  }
  return data;
}

absl::StatusOr<std::string> InputBuffer::read(std::size_t limit) {
  std::string data;
  while (data.size() < limit) {
    if (taken_ == buffer_.size()) {
      if (absl::Status status = fill(); !status.ok()) return status;
      if (taken_ == buffer_.size()) break;
    }
    data += take(std::min(limit - data.size(), buffer_.size() - taken_));
  }
  return data;
}

absl::StatusOr<std::string> InputBuffer::read_line(std::size_t limit) {
  std::size_t searched = 0;
  while (true) {
    const std::size_t available = buffer_.size() - taken_;
    const std::size_t end = buffer_.find('\n', taken_ + searched);
    if (end != std::string::npos) return take(std::min(end + 1 - taken_, limit));
    if (available >= limit || ended_) return take(std::min(available, limit));
    searched = available;
    if (absl::Status status = fill(); !status.ok()) return status;
  }
}

Object make_input_type() {
  return bindings::make_type<InputObject>("mod_wsgi.Input", "The body of a request.",
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
  object.input = nullptr;
  while (object.reading) {
    const WithoutGil unlocked(measurement);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace sluice::wsgi
