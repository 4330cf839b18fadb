#include "adapters/wsgi/response.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "adapters/wsgi/forked_copy.hpp"
#include "adapters/wsgi/headers.hpp"
#include "bindings/type.hpp"

namespace sluice::wsgi {

using bindings::LogLevel;
using bindings::Object;
using bindings::steal;

namespace {

struct StartResponseObject {
  PyObject_HEAD Response* response;  ///< Null once the request is over.
};

Response* response_of(PyObject* self, const char* what) {
  Response* const response = reinterpret_cast<StartResponseObject*>(self)->response;
  if (response == nullptr) PyErr_Format(PyExc_RuntimeError, "%s() called after request completed", what);
  return response;
}

PyObject* start_response_write(PyObject* self, PyObject* data);

PyMethodDef methods[] = {
    {"write", start_response_write, METH_O, "write(data): send bytes to the client before those of the iterable."},
    {nullptr, nullptr, 0, nullptr},
};

/// Runs `call`, which gives true or has set an exception. Python's frames must not see an exception of C++.
template <class Call>
bool guarded(Call&& call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return false;
  }
}

PyObject* start_response_call(PyObject* self, PyObject* args, PyObject* keywords) {
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

/// Raises what the application caught, or TypeError if that is no exception. Always false.
bool raise(PyObject* exc_info) {
  PyObject* type = nullptr;
  PyObject* value = nullptr;
  PyObject* traceback = nullptr;
  if (PyArg_ParseTuple(exc_info, "OOO", &type, &value, &traceback) == 0) return false;
  const bool exception = PyExceptionClass_Check(type) && (value == Py_None || PyExceptionInstance_Check(value)) &&
                         (traceback == Py_None || PyTraceBack_Check(traceback));
  if (!exception) {
    PyErr_SetString(PyExc_TypeError, "start_response() argument 'exc_info' must be what sys.exc_info() gives");
    return false;
  }
  const auto reference = [](PyObject* object) { return object == Py_None ? nullptr : Py_NewRef(object); };
  PyErr_Restore(Py_NewRef(type), reference(value), reference(traceback));
  return false;
}

/// Counts a thread in for a scope.
class InUse {
 public:
  explicit InUse(int& users) noexcept : users_(users) { ++users_; }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;
  ~InUse() { --users_; }

 private:
  int& users_;
};

/// Sends, and measures it. Without the lock.
template <class Send>
absl::Status measured(Measurement& measurement, std::uint64_t bytes, Send&& send) {
  const std::uint64_t start_ns = monotonic_ns();
  absl::Status status = send();
  measurement.timestamps.flushed_ns = monotonic_ns();
  measurement.output_ns += measurement.timestamps.flushed_ns - start_ns;
  if (bytes != 0) ++measurement.done.output_writes;
  if (status.ok()) measurement.done.output_bytes += bytes;
  return status;
}

}  // namespace

bool Response::may_start(PyObject* exc_info) const {
  if (ended_) {
    PyErr_SetString(PyExc_RuntimeError, "start_response() called after the end of the response");
    return false;
  }
  if (!head_sent_) return true;
  if (exc_info != Py_None) return raise(exc_info);
  PyErr_SetString(PyExc_RuntimeError, "start_response() called more than once without exc_info");
  return false;
}

bool Response::start(PyObject* status, PyObject* headers, PyObject* exc_info) {
  ForkedCopy::end_if_this();
  const InUse in_use(users_);
  if (exc_info != Py_None && PyTuple_Check(exc_info) == 0) {
    PyErr_SetString(PyExc_RuntimeError, "start_response() argument 'exc_info' must be a 3-tuple or None");
    return false;
  }
  if (!may_start(exc_info)) return false;
  observer_.response_started(status, headers, exc_info);
  ResponseHead head;
  std::optional<std::uint64_t> promised;
  if (!parse_head(status, headers, head) || !parse_content_length(head.headers, promised)) return false;
  // A subscriber, a finaliser or another thread may have had an earlier head sent since the first look.
  if (!may_start(exc_info)) return false;
  head_ = std::move(head);
  promised_ = promised;
  started_ = true;
  measurement_.done.status = head_.status;
  return true;
}

/// Gives the lock up only where another thread has the exchange, so that two threads never wait for one another.
std::unique_lock<std::mutex> Response::take_turn() {
  std::unique_lock turn(exchange_.turn(), std::try_to_lock);
  if (!turn.owns_lock()) {
    const WithoutGil unlocked(measurement_);
    turn.lock();
  }
  return turn;
}

Response::Refusal Response::refusal(Content content) const noexcept {
  if (client_gone_) return Refusal::kClientGone;
  if (broken_) return Refusal::kBroken;
  if (ended_ || (sealed_ && content == Content::kMore)) return Refusal::kEnded;
  return started_ ? Refusal::kNone : Refusal::kUnstarted;
}

/// Always false.
bool Response::raise_refusal(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
    case Refusal::kClientGone:
      break;
    case Refusal::kUnstarted:
      PyErr_SetString(PyExc_RuntimeError, "start_response() must be called before response content is produced");
      break;
    case Refusal::kEnded:
      PyErr_SetString(PyExc_RuntimeError, "response content is produced after the end of the response");
      break;
    case Refusal::kBroken:
      PyErr_SetString(PyExc_OSError, "failed to write response data before");
      break;
  }
  return false;
}

bool Response::raise_failure(const absl::Status& status) {
  if (status.ok()) return true;
  if (!absl::IsCancelled(status)) {
    PyErr_Format(PyExc_OSError, "failed to write response data: %s", std::string(status.message()).c_str());
  }
  return false;
}

void Response::note_failure(const absl::Status& status) noexcept {
  if (absl::IsCancelled(status)) {
    client_gone_ = true;
  } else if (!status.ok()) {
    broken_ = true;
  }
}

absl::Status Response::hand_head_over() {
  if (head_sent_) return absl::OkStatus();
  absl::Status status = exchange_.begin_response(head_);
  head_sent_ = status.ok();
  return status;
}

template <class Output>
bool Response::produce(Content content, Output&& output) {
  ForkedCopy::end_if_this();
  const InUse in_use(users_);
  Refusal refused = Refusal::kNone;
  absl::Status status;
  {
    // The lock may have been given up for the turn, so the state is looked at only now. From here until `output` gives
    // the lock up no Python code can run.
    const std::unique_lock turn = take_turn();
    refused = refusal(content);
    if (refused == Refusal::kNone) {
      status = hand_head_over();
      if (status.ok()) status = output();
      note_failure(status);
    }
  }
  // An exception is made once the turn is over: finalisers may run then, which may want to send.
  return refused == Refusal::kNone ? raise_failure(status) : raise_refusal(refused);
}

std::string_view Response::allowed(std::string_view block) noexcept {
  // What goes beyond the promised length would be taken for the next response.
  if (promised_) block = block.substr(0, *promised_ - std::min(*promised_, produced_));
  produced_ += block.size();
  return block;
}

bool Response::send(absl::Span<const std::string_view> blocks, bool last) {
  return produce(last ? Content::kEnd : Content::kMore, [&] {
    std::vector<std::string_view> parts;
    parts.reserve(blocks.size());
    std::uint64_t bytes = 0;
    for (const std::string_view block : blocks) {
      const std::string_view part = allowed(block);
      bytes += part.size();
      if (!part.empty()) parts.push_back(part);
    }
    ended_ = last;
    // Short of what was promised there is no end to send: the caller breaks the response off, which the client can
    // tell.
    const bool ends = last && !short_of_promise();
    const WithoutGil unlocked(measurement_);
    return measured(measurement_, bytes, [&] { return exchange_.write(parts, ends); });
  });
}

bool Response::leave(absl::Span<const std::string_view> blocks) {
  return produce(Content::kEnd, [&] {
    for (const std::string_view block : blocks) tail_.data += allowed(block);
    tail_.whole = !short_of_promise();
    tail_.left = true;
    ended_ = true;
    return absl::OkStatus();
  });
}

void Response::break_off() {
  ForkedCopy::end_if_this();
  const InUse in_use(users_);
  ended_ = true;
  const std::unique_lock turn = take_turn();
  const WithoutGil unlocked(measurement_);
  exchange_.break_off();
}

void Tail::send(Exchange& exchange, Measurement& measurement) const {
  const std::string_view block(data);
  const absl::Span<const std::string_view> blocks(&block, block.empty() ? 0 : 1);
  const absl::Status status = measured(measurement, data.size(), [&] { return exchange.write(blocks, whole); });
  if (absl::IsCancelled(status)) {
    exchange.log(LogLevel::kDebug, "Client closed connection.");
  } else if (!status.ok()) {
    exchange.log(LogLevel::kError, absl::StrCat("failed to write response data: ", status.message()));
    exchange.break_off();
  } else if (!whole) {
    exchange.log(LogLevel::kDebug, "The response is shorter than its Content-Length.");
    exchange.break_off();
  }
}

bool Response::send_file(int descriptor, std::uint64_t offset, std::uint64_t size) {
  return produce(Content::kMore, [&] {
    if (produced_ != 0) return absl::FailedPreconditionError("another thread has sent content before the file");
    if (promised_) size = std::min(size, *promised_);
    produced_ = size;
    sealed_ = true;
    const WithoutGil unlocked(measurement_);
    return measured(measurement_, size, [&] { return exchange_.send_file(descriptor, offset, size); });
  });
}

Object make_start_response_type() {
  return bindings::make_type<StartResponseObject>(
      "mod_wsgi.StartResponse", "start_response of one request.",
      {{Py_tp_methods, methods}, {Py_tp_call, reinterpret_cast<void*>(start_response_call)}});
}

Object make_start_response(PyObject* type, Response& response) {
  Object object = bindings::make_instance(type);
  if (object) reinterpret_cast<StartResponseObject*>(object.ptr())->response = &response;
  return object;
}

void finish_start_response(PyObject* start_response, Measurement& measurement) {
  Response* const response = std::exchange(reinterpret_cast<StartResponseObject*>(start_response)->response, nullptr);
  while (response->in_use()) {
    const WithoutGil unlocked(measurement);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace sluice::wsgi
