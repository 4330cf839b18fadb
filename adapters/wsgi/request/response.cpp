// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/response.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "adapters/wsgi/python/forked_copy.hpp"
#include "adapters/wsgi/request/head_rules.hpp"
#include "bindings/gil.hpp"

namespace sluice::wsgi {
namespace {

/// Sets the exception that the application passes as exc_info, or TypeError when that is none. Returns false.
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

/// Counts a thread as a user of the response for a scope.
class InUse {
 public:
  explicit InUse(int& users) noexcept : users_(users) { ++users_; }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;
  ~InUse() { --users_; }

 private:
  int& users_;
};

}  // namespace

void log_client_gone(const Exchange& exchange) noexcept {
  exchange.log(LogLevel::kDebug, "SLC0123: the client closed the connection before the end of its response.");
}

void log_short_response(const Exchange& exchange) noexcept {
  exchange.log(
      LogLevel::kDebug,
      "SLC0124: the response is shorter than its Content-Length or could not be written in full; the connection "
      "is closed so that the client can tell.");
}

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

bool Response::start(PyObject* exc_info, absl::FunctionRef<bool(ResponseHead&, std::optional<std::uint64_t>&)> make) {
  ForkedCopy::end_if_this();
  const bindings::CriticalSection section(mutex_);
  const InUse in_use(users_);
  if (exc_info != Py_None && PyTuple_Check(exc_info) == 0) {
    PyErr_SetString(PyExc_RuntimeError, "start_response() argument 'exc_info' must be a 3-tuple or None");
    return false;
  }
  if (!may_start(exc_info)) return false;
  ResponseHead head;
  std::optional<std::uint64_t> content_length;
  if (!make(head, content_length)) return false;
  // Since the first check, a subscriber, a finalizer or another thread may have sent an earlier head.
  if (!may_start(exc_info)) return false;
  head_ = std::move(head);
  content_length_ = content_length;
  started_ = true;
  measurement_.done.status = head_.status;
  return true;
}

/// Releases the GIL only while another thread uses the exchange, so that no two threads wait for each other.
std::unique_lock<std::mutex> Response::lock_exchange() {
  std::unique_lock lock(exchange_.io_mutex(), std::try_to_lock);
  if (!lock.owns_lock()) {
    const bindings::WithoutGil released(&measurement_.done.gil_waits);
    lock.lock();
  }
  return lock;
}

Response::Refusal Response::refusal(Content content) const noexcept {
  if (client_gone_) return Refusal::kClientGone;
  if (broken_) return Refusal::kBroken;
  if (ended_ || (body_complete_ && content == Content::kMore)) return Refusal::kEnded;
  return started_ ? Refusal::kNone : Refusal::kUnstarted;
}

/// Sets the exception of a refusal, except when the client has closed the connection. Returns false.
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

void Response::record_failure(const absl::Status& status) noexcept {
  if (absl::IsCancelled(status)) {
    client_gone_ = true;
  } else if (!status.ok()) {
    broken_ = true;
  }
}

absl::Status Response::begin_response() {
  if (head_sent_) return absl::OkStatus();
  if (file_size_ && !content_length_ && status_allows_body(head_.status)) {
    head_.headers.emplace_back("Content-Length", std::to_string(*file_size_));
    content_length_ = file_size_;
  }
  measurement_.sends_body = exchange_.sends_body(head_.status) && status_allows_body(head_.status);
  absl::Status status = exchange_.begin_response(head_);
  head_sent_ = status.ok();
  return status;
}

template <class Output>
bool Response::produce(Content content, Output&& output) {
  ForkedCopy::end_if_this();
  const bindings::CriticalSection section(mutex_);
  const InUse in_use(users_);
  Refusal refused = Refusal::kNone;
  absl::Status status;
  {
    // lock_exchange() may have released the GIL, so the state is checked only now. No Python code runs from here until
    // `output` releases the GIL.
    const std::unique_lock lock = lock_exchange();
    refused = refusal(content);
    if (refused == Refusal::kNone) {
      status = begin_response();
      if (status.ok()) status = output();
      record_failure(status);
    }
  }
  // The exception is created after the exchange is unlocked, because that may run finalizers, which may send.
  return refused == Refusal::kNone ? raise_failure(status) : raise_refusal(refused);
}

std::string_view Response::allowed(std::string_view block) noexcept {
  // Bytes beyond the Content-Length would be taken for the next response.
  if (content_length_) block = block.substr(0, *content_length_ - std::min(*content_length_, produced_));
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
    // A response that is shorter than its Content-Length gets no end, so that the client can tell. The caller breaks it
    // off.
    const bool ends = last && !short_of_content_length();
    const bindings::WithoutGil released(&measurement_.done.gil_waits);
    return measurement_.measure_write(bytes, [&] { return exchange_.write(parts, ends); });
  });
}

bool Response::defer(absl::Span<const std::string_view> blocks) {
  return produce(Content::kEnd, [&] {
    for (const std::string_view block : blocks) deferred_.data += allowed(block);
    deferred_.complete = !short_of_content_length();
    deferred_.pending = true;
    ended_ = true;
    return absl::OkStatus();
  });
}

void Response::break_off() {
  ForkedCopy::end_if_this();
  const bindings::CriticalSection section(mutex_);
  const InUse in_use(users_);
  ended_ = true;
  const std::unique_lock lock = lock_exchange();
  const bindings::WithoutGil released(&measurement_.done.gil_waits);
  exchange_.break_off();
}

bool Response::send_file(int descriptor, std::uint64_t offset, std::uint64_t size) {
  const bindings::CriticalSection section(mutex_);
  file_size_ = size;
  return produce(Content::kMore, [&] {
    if (produced_ != 0) return absl::FailedPreconditionError("another thread has sent content before the file");
    if (content_length_) size = std::min(size, *content_length_);
    produced_ = size;
    body_complete_ = true;
    const bindings::WithoutGil released(&measurement_.done.gil_waits);
    return measurement_.measure_write(size, [&] {
      return exchange_.send_file({descriptor, offset, size, !short_of_content_length()});
    });
  });
}

}  // namespace sluice::wsgi
