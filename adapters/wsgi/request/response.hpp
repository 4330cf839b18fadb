// The response of one request as the application makes it: start_response, write, and the blocks of its iterable.
#pragma once

#include <Python.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "adapters/wsgi/request/exchange.hpp"
#include "adapters/wsgi/request/measurement.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Is told of a response before it is accepted. With the lock.
class ResponseObserver {
 public:
  virtual void response_started(PyObject* status, PyObject* headers, PyObject* exc_info) = 0;

 protected:
  ~ResponseObserver() = default;
};

/// The end of a response, kept until the GIL has been released. Sending it needs no Python, so a request whose response
/// is one small block acquires the GIL only once.
struct DeferredWrite {
  bool pending = false;
  bool complete = true;  ///< The response ends with it; false when it is shorter than its Content-Length.
  std::string data;

  /// Upper limit of `data`. A longer end of a response is sent without copying it.
  static constexpr std::size_t kMaxBytes = 64 * 1024;

  /// Sends the data and logs a failure. The caller does not hold the GIL.
  void send(Exchange& exchange, Measurement& measurement) const;
};

/// All members are called with the lock held, and give it up while they send.
///
/// Code of the application may run, and other threads of it may use the same response, wherever a Python object is made
/// or the lock is given up. So each member checks the state after the last such place, and changes it before the next:
/// nothing of Python lies between a check and the step that relies on it.
class Response {
 public:
  Response(Exchange& exchange, Measurement& measurement, ResponseObserver& observer, DeferredWrite& deferred) noexcept
      : exchange_(exchange), measurement_(measurement), observer_(observer), deferred_(deferred) {}

  /// start_response(status, headers, exc_info=None). False with an exception set.
  [[nodiscard]] bool start(PyObject* status, PyObject* headers, PyObject* exc_info);

  /// Sends blocks in one go, which the caller keeps alive. False with an exception set, or without one when the client
  /// is gone: then client_gone(). Waits for other threads that read or send.
  [[nodiscard]] bool send(absl::Span<const std::string_view> blocks, bool last);

  /// Copies the last blocks into the DeferredWrite instead of sending them. Fails as send() does.
  [[nodiscard]] bool defer(absl::Span<const std::string_view> blocks);

  /// Sends a part of a regular file as the whole response, at most its Content-Length. Only the end of the response may
  /// follow. False as send().
  [[nodiscard]] bool send_file(int descriptor, std::uint64_t offset, std::uint64_t size);

  /// From now on nothing can be produced: the outcome of the request is being decided.
  void end() noexcept { ended_ = true; }

  /// Ends the response short of what was begun, so that the client can tell. Waits for other threads that read or send.
  void break_off();

  [[nodiscard]] bool head_sent() const noexcept { return head_sent_; }
  [[nodiscard]] bool client_gone() const noexcept { return client_gone_; }
  [[nodiscard]] bool body_begun() const noexcept { return produced_ != 0; }
  /// A thread is inside one of the members above.
  [[nodiscard]] bool in_use() const noexcept { return users_ != 0; }

  /// What went out cannot be a whole response: it is short of the Content-Length that it promised, or a part of it
  /// could not be sent.
  [[nodiscard]] bool incomplete() const noexcept { return broken_ || short_of_promise(); }

 private:
  /// Why nothing can be produced.
  enum class Refusal : std::uint8_t { kNone, kClientGone, kUnstarted, kEnded, kBroken };
  enum class Content : std::uint8_t { kMore, kEnd };

  /// Has `output` produce something while this thread has the exchange, after the head was handed over. False as
  /// send().
  template <class Output>
  [[nodiscard]] bool produce(Content content, Output&& output);
  [[nodiscard]] Refusal refusal(Content content) const noexcept;
  [[nodiscard]] bool raise_refusal(Refusal refusal);
  [[nodiscard]] bool raise_failure(const absl::Status& status);
  /// False with an exception set if the head can no longer be chosen.
  [[nodiscard]] bool may_start(PyObject* exc_info) const;
  [[nodiscard]] std::unique_lock<std::mutex> take_turn();
  [[nodiscard]] absl::Status hand_head_over();
  void note_failure(const absl::Status& status) noexcept;
  /// As much of a block as the promised length allows; counted.
  [[nodiscard]] std::string_view allowed(std::string_view block) noexcept;
  [[nodiscard]] bool short_of_promise() const noexcept {
    return promised_ && produced_ < *promised_ && exchange_.sends_body(head_.status);
  }

  Exchange& exchange_;
  Measurement& measurement_;
  ResponseObserver& observer_;
  DeferredWrite& deferred_;
  ResponseHead head_;
  std::optional<std::uint64_t> promised_;
  std::uint64_t produced_ = 0;
  bool started_ = false;
  bool head_sent_ = false;
  bool sealed_ = false;  ///< Only the end may follow.
  bool ended_ = false;
  bool broken_ = false;  ///< Some of the content could not be sent.
  bool client_gone_ = false;
  int users_ = 0;  ///< Guarded by the lock.
};

/// The type of start_response of the current interpreter; null with an exception set.
[[nodiscard]] bindings::Object make_start_response_type();

/// A new start_response. `response` must live until finish_start_response().
[[nodiscard]] bindings::Object make_start_response(PyObject* type, Response& response);

/// The request is over: later calls of the object, and of write(), raise RuntimeError. Waits for a thread of the
/// application that is still inside a write.
void finish_start_response(PyObject* start_response, Measurement& measurement);

}  // namespace sluice::wsgi
