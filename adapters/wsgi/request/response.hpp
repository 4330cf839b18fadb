// SPDX-License-Identifier: Apache-2.0
// The response of one request as its application produces it: start_response(), write(), and the blocks of an iterable.
#pragma once

#include <Python.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "adapters/wsgi/request/deferred_write.hpp"
#include "adapters/wsgi/request/exchange.hpp"
#include "adapters/wsgi/request/measurement.hpp"
#include "bindings/critical_section.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Logs that the client has closed the connection.
void log_client_gone(const Exchange& exchange) noexcept;

/// Logs that a response is incomplete.
void log_short_response(const Exchange& exchange) noexcept;

/// The caller of each member holds the GIL. Members release it while they send. Without a GIL, each member is a
/// critical section of the mutex that share() has set; it is left where the GIL would be released.
///
/// Wherever a Python object is created or the GIL is released, code of the application may run, and its other threads
/// may use the same response. Each member therefore checks the state after the last such place and changes it before
/// the next: no Python call lies between a check and the step that relies on it.
class Response {
 public:
  Response(Exchange& exchange, Measurement& measurement, DeferredWrite& deferred) noexcept
      : exchange_(exchange), measurement_(measurement), deferred_(deferred) {}

  /// Sets the mutex for the members, before other threads get to know the response. Null when none will.
  void share(bindings::SectionMutex* mutex) noexcept { mutex_ = mutex; }

  /// Sets the head, and the Content-Length in it, to those that `make` stores, which may run Python code. The rules of
  /// PEP 3333 for `exc_info` decide before and after whether a head may still be set. Returns false with an exception
  /// set, also when `make` does.
  [[nodiscard]] bool start(PyObject* exc_info,
                           absl::FunctionRef<bool(ResponseHead&, std::optional<std::uint64_t>&)> make);

  /// Sends blocks in one write; with `last` the response ends after them. The caller keeps the blocks alive. Returns
  /// false with an exception set, or without one when the client has closed the connection. Waits for other threads
  /// that read or send.
  [[nodiscard]] bool send(absl::Span<const std::string_view> blocks, bool last);

  /// Copies the last blocks into the DeferredWrite instead of sending them. Fails as send() does.
  [[nodiscard]] bool defer(absl::Span<const std::string_view> blocks);

  /// Sends a part of a regular file as the whole body, at most as many bytes as the Content-Length says. Afterwards
  /// only the end of the response is accepted. Fails as send() does.
  [[nodiscard]] bool send_file(int descriptor, std::uint64_t offset, std::uint64_t size);

  /// Refuses everything from now on, because the outcome of the request is being decided.
  void end() noexcept {
    const bindings::CriticalSection section(mutex_);
    ended_ = true;
  }

  /// Ends an incomplete response in a way that the client can tell. Waits for other threads that read or send.
  void break_off();

  /// Returns the exchange, which is fixed.
  [[nodiscard]] const Exchange& exchange() const noexcept { return exchange_; }
  [[nodiscard]] bool head_sent() const noexcept {
    const bindings::CriticalSection section(mutex_);
    return head_sent_;
  }
  [[nodiscard]] bool body_begun() const noexcept {
    const bindings::CriticalSection section(mutex_);
    return produced_ != 0;
  }
  /// Whether a thread is inside one of the members above.
  [[nodiscard]] bool in_use() const noexcept {
    const bindings::CriticalSection section(mutex_);
    return users_ != 0;
  }

  /// Whether the client has not got the whole response: it is shorter than its Content-Length, or a write has failed.
  [[nodiscard]] bool incomplete() const noexcept {
    const bindings::CriticalSection section(mutex_);
    return broken_ || short_of_content_length();
  }

 private:
  /// The reason why content is refused.
  enum class Refusal : std::uint8_t { kNone, kClientGone, kUnstarted, kEnded, kBroken };
  enum class Content : std::uint8_t { kMore, kEnd };

  /// Calls `output` to send content, with the exchange locked and after the head. Fails as send() does.
  template <class Output>
  [[nodiscard]] bool produce(Content content, Output&& output);
  [[nodiscard]] Refusal refusal(Content content) const noexcept;
  [[nodiscard]] bool raise_refusal(Refusal refusal);
  [[nodiscard]] bool raise_failure(const absl::Status& status);
  /// Whether the head may still be set; if not, an exception is set.
  [[nodiscard]] bool may_start(PyObject* exc_info) const;
  [[nodiscard]] std::unique_lock<std::mutex> lock_exchange();
  [[nodiscard]] absl::Status begin_response();
  void record_failure(const absl::Status& status) noexcept;
  /// Returns the part of a block that the Content-Length allows, and counts it.
  [[nodiscard]] std::string_view allowed(std::string_view block) noexcept;
  [[nodiscard]] bool short_of_content_length() const noexcept {
    return content_length_ && produced_ < *content_length_ && exchange_.sends_body(head_.status);
  }

  Exchange& exchange_;
  Measurement& measurement_;
  DeferredWrite& deferred_;
  ResponseHead head_;
  std::optional<std::uint64_t> content_length_;
  std::optional<std::uint64_t> file_size_;  ///< Size of the file that is the body.
  std::uint64_t produced_ = 0;
  bool started_ = false;
  bool head_sent_ = false;
  bool body_complete_ = false;  ///< Only the end of the response is accepted.
  bool ended_ = false;
  bool broken_ = false;  ///< A write has failed.
  bool client_gone_ = false;
  int users_ = 0;  ///< Threads inside a member. Guarded by the GIL, or the critical section.
  bindings::SectionMutex* mutex_ = nullptr;
};

}  // namespace sluice::wsgi
