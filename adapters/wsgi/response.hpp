// The response of one request as the application makes it: start_response, write, and the blocks of its iterable.
#pragma once

#include <Python.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "adapters/wsgi/exchange.hpp"
#include "adapters/wsgi/measurement.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Is told of a response before it is accepted. With the lock.
class ResponseObserver {
 public:
  virtual void response_started(PyObject* status, PyObject* headers, PyObject* exc_info) = 0;

 protected:
  ~ResponseObserver() = default;
};

/// What is left of a response when its application is done. It is sent once the lock has been given up, and needs no
/// Python any more, so that a request whose response is one small block holds the lock once.
struct Tail {
  bool left = false;
  bool whole = true;  ///< The response ends with it; else it fell short of its Content-Length.
  std::string data;

  /// Copied at most; what is more is sent where it lies.
  static constexpr std::size_t kMax = 64 * 1024;

  /// Sends it, and logs why if it cannot be. Without the lock.
  void send(Exchange& exchange, Measurement& measurement) const;
};

/// All members are called with the lock held, and give it up while they send.
///
/// Code of the application may run, and other threads of it may use the same response, wherever a Python object is made
/// or the lock is given up. So each member checks the state after the last such place, and changes it before the next:
/// nothing of Python lies between a check and the step that relies on it.
class Response {
 public:
  Response(Exchange& exchange, Measurement& measurement, ResponseObserver& observer, Tail& tail) noexcept
      : exchange_(exchange), measurement_(measurement), observer_(observer), tail_(tail) {}

  /// start_response(status, headers, exc_info=None). False with an exception set.
  [[nodiscard]] bool start(PyObject* status, PyObject* headers, PyObject* exc_info);

  /// Sends blocks in one go, which the caller keeps alive. False with an exception set, or without one when the client
  /// is gone: then client_gone(). Waits for other threads that read or send.
  [[nodiscard]] bool send(absl::Span<const std::string_view> blocks, bool last);

  /// Leaves blocks and the end of the response to be sent as the tail. False as send().
  [[nodiscard]] bool leave(absl::Span<const std::string_view> blocks);

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
  Tail& tail_;
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
