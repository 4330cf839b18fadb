// SPDX-License-Identifier: Apache-2.0
// The events of one request, and the dict that its subscribers and its application share. Nothing is built while nobody
// has subscribed.
#pragma once

#include <Python.h>

#include "adapters/wsgi/request/request_context.hpp"
#include "adapters/wsgi/request/start_response.hpp"
#include "bindings/object.hpp"
#include "sluice/resources.hpp"

namespace sluice::wsgi {

/// Lives from before the script is loaded until the application has ended. The caller of each member holds the GIL. An
/// exception that is set before a call is set after it.
class RequestEvents final : public ResponseObserver {
 public:
  explicit RequestEvents(const RequestContext& context);
  RequestEvents(const RequestEvents&) = delete;
  RequestEvents& operator=(const RequestEvents&) = delete;
  ~RequestEvents();

  /// Publishes request_started. Returns the application to call: `application`, or the one that a subscriber has put in
  /// its place.
  [[nodiscard]] bindings::Object started(const bindings::Object& application, PyObject* environ);

  /// Publishes response_started.
  void response_started(PyObject* status, PyObject* headers, PyObject* exc_info) override;

  /// Publishes request_exception for the exception that is set.
  void exception();

  /// Publishes request_finished.
  void finished();

  /// Returns the dict of the request that the calling thread serves, for the function mod_wsgi.request_data(), or null
  /// with an exception set.
  [[nodiscard]] static PyObject* current_data();

  /// Creates the dict of active requests, which begins with the one of the calling thread. From then on each request
  /// of the interpreter is in it while its script is loaded and its application runs. Returns false with an exception
  /// set.
  [[nodiscard]] static bool track_active(InterpreterObjects& objects);

  /// Whether anyone has subscribed to events.
  [[nodiscard]] bool subscribed() const noexcept;

 private:
  [[nodiscard]] const bindings::Object& data();
  void publish(const char* name, PyObject* event) const;
  void enter_active();
  void leave_active() noexcept;

  const RequestContext& context_;
  RequestEvents* outer_;
  bindings::Object data_;  ///< Created on first use.
  ThreadCpu cpu_start_;
};

/// Adds request_data() to a module mod_wsgi. Returns false with an exception set.
[[nodiscard]] bool add_request_functions(PyObject* module);

}  // namespace sluice::wsgi
