// The events of one request, and the dict that subscribers and the application share while it runs. Nothing is built
// when nobody has subscribed.
#pragma once

#include <Python.h>
#include <sys/resource.h>

#include "adapters/wsgi/request/application.hpp"
#include "adapters/wsgi/request/response.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Lives as long as the application runs. All members are called with the lock held, and leave set what exception was
/// set.
class RequestEvents final : public ResponseObserver {
 public:
  explicit RequestEvents(const RequestContext& context);
  RequestEvents(const RequestEvents&) = delete;
  RequestEvents& operator=(const RequestEvents&) = delete;
  ~RequestEvents();

  /// request_started. Gives the application to call: the one passed in, or what a subscriber put in its place.
  [[nodiscard]] bindings::Object started(const bindings::Object& application, PyObject* environ);

  /// response_started.
  void response_started(PyObject* status, PyObject* headers, PyObject* exc_info) override;

  /// request_exception, of the exception that is set.
  void exception();

  /// request_finished.
  void finished();

  /// The dict of the request that the calling thread serves, for the function mod_wsgi.request_data(). Null with an
  /// exception set.
  [[nodiscard]] static PyObject* current_data();

  /// Somebody has subscribed to events.
  [[nodiscard]] bool wanted() const noexcept;

 private:
  [[nodiscard]] PyObject* data();

  const RequestContext& context_;
  RequestEvents* outer_;
  bindings::Object data_;  ///< Made when it is first asked for.
  rusage cpu_start_{};
};

/// Adds request_data() to a module mod_wsgi. False with an exception set.
[[nodiscard]] bool add_request_functions(PyObject* module);

}  // namespace sluice::wsgi
