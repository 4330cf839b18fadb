// The response of one request as the application makes it: start_response, write, and the blocks of its iterable.
#pragma once

#include <Python.h>

#include <cstdint>
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
class Response {
 public:
  Response(Exchange& exchange, Measurement& measurement, ResponseObserver& observer, Tail& tail) noexcept
      : exchange_(exchange), measurement_(measurement), observer_(observer), tail_(tail) {}

  /// start_response(status, headers, exc_info=None). False with an exception set.
  [[nodiscard]] bool start(PyObject* status, PyObject* headers, PyObject* exc_info);

  /// Sends blocks in one go. False with an exception set, or without one when the client is gone: then client_gone().
  [[nodiscard]] bool send(absl::Span<const std::string_view> blocks, bool last);

  /// Leaves blocks and the end of the response to be sent as the tail. False as send().
  [[nodiscard]] bool leave(absl::Span<const std::string_view> blocks);

  /// Sends a part of a regular file as the whole response, at most its Content-Length. False as send().
  [[nodiscard]] bool send_file(int descriptor, std::uint64_t offset, std::uint64_t size);

  [[nodiscard]] bool started() const noexcept { return state_ != State::kUnstarted; }
  [[nodiscard]] bool head_sent() const noexcept { return state_ == State::kHeadSent; }
  [[nodiscard]] bool client_gone() const noexcept { return client_gone_; }
  [[nodiscard]] bool body_begun() const noexcept { return produced_ != 0; }
  /// A thread is inside one of the members above.
  [[nodiscard]] bool in_use() const noexcept { return users_ != 0; }

  /// The whole response went out, but short of the Content-Length that it promised.
  [[nodiscard]] bool short_of_promise() const noexcept {
    return promised_ && produced_ < *promised_ && exchange_.sends_body(head_.status);
  }

 private:
  enum class State : std::uint8_t { kUnstarted, kStarted, kHeadSent };

  /// Hands the head to the exchange before the first output. False with an exception set.
  [[nodiscard]] bool commit();
  [[nodiscard]] bool check(const absl::Status& status);
  /// As much of a block as the promised length allows; counted.
  [[nodiscard]] std::string_view allowed(std::string_view block) noexcept;
  template <class Send>
  [[nodiscard]] bool unlocked(std::uint64_t bytes, Send&& send);

  Exchange& exchange_;
  Measurement& measurement_;
  ResponseObserver& observer_;
  Tail& tail_;
  ResponseHead head_;
  State state_ = State::kUnstarted;
  std::optional<std::uint64_t> promised_;
  std::uint64_t produced_ = 0;
  bool client_gone_ = false;
  int users_ = 0;         ///< Guarded by the lock.
  bool sending_ = false;  ///< A thread is inside the exchange. Guarded by the lock.
};

/// The type of start_response of the current interpreter; null with an exception set.
[[nodiscard]] bindings::Object make_start_response_type();

/// A new start_response. `response` must live until finish_start_response().
[[nodiscard]] bindings::Object make_start_response(PyObject* type, Response& response);

/// The request is over: later calls of the object, and of write(), raise RuntimeError. Waits for a thread of the
/// application that is still inside a write.
void finish_start_response(PyObject* start_response, Measurement& measurement);

}  // namespace sluice::wsgi
