// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/request_events.hpp"

#include <unistd.h>

#include <cstdint>
#include <string_view>
#include <utility>

#include "adapters/wsgi/python/forked_copy.hpp"
#include "bindings/dict_builder.hpp"
#include "bindings/items.hpp"
#include "bindings/module.hpp"
#include "bindings/saved_exception.hpp"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::wsgi {

using bindings::DictBuilder;
using bindings::Object;
using bindings::steal;

namespace {

/// The request that this thread serves. Requests nest when a server makes subrequests.
thread_local constinit RequestEvents* current = nullptr;

Object text(std::string_view value) {
  return steal(PyUnicode_DecodeLatin1(value.data(), static_cast<Py_ssize_t>(value.size()), nullptr));
}

/// Begins an event with the identity of its request.
DictBuilder begin_event(const RequestContext& context) {
  DictBuilder event(DictBuilder::OnError::kSkipKey);
  if (const std::string_view id = context.exchange.id(); !id.empty()) event.set("request_id", text(id));
  return event;
}

void add_times(DictBuilder& event, const RequestContext& context) {
  const Measurement& measurement = context.measurement;
  const Timestamps& timestamps = measurement.timestamps;
  const long server_pid = context.dispatched.server_pid != 0 ? context.dispatched.server_pid : ::getpid();
  event.set("thread_id", std::uint64_t{context.thread_id})
      .set("server_pid", static_cast<std::uint64_t>(server_pid))
      .set("request_start", measurement.wall_time(timestamps.accepted_ns))
      .set("queue_start", measurement.wall_time(timestamps.queued_ns))
      .set("daemon_start", measurement.wall_time(timestamps.dispatched_ns))
      .set("application_start", measurement.wall_time(timestamps.entered_ns));
}

PyObject* request_data(PyObject*, PyObject*) { return RequestEvents::current_data(); }

PyMethodDef functions[] = {
    {"request_data", request_data, METH_NOARGS,
     "request_data()\n--\n\n"
     "Return the dict that event subscribers and the application share during the request that this thread serves.\n"
     "Raise RuntimeError on a thread that serves no request."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

RequestEvents::RequestEvents(const RequestContext& context) : context_(context), outer_(std::exchange(current, this)) {
  if (context.objects.active_requests.get() != nullptr) [[unlikely]]
    enter_active();
}

RequestEvents::~RequestEvents() {
  if (context_.objects.active_requests.get() != nullptr) [[unlikely]]
    leave_active();
  current = outer_;
}

/// Adds the request to the dict of active requests. A request without an id cannot be in it.
void RequestEvents::enter_active() {
  if (context_.exchange.id().empty()) return;
  const Object id = text(context_.exchange.id());
  if (!id || !data() || PyDict_SetItem(context_.objects.active_requests.get(), id.ptr(), data().ptr()) < 0)
    PyErr_Clear();
}

void RequestEvents::leave_active() noexcept {
  if (context_.exchange.id().empty()) return;
  const bindings::SavedException saved;
  const Object id = text(context_.exchange.id());
  if (!id || PyDict_DelItem(context_.objects.active_requests.get(), id.ptr()) < 0) PyErr_Clear();
}

bool RequestEvents::track_active(InterpreterObjects& objects) {
  if (objects.active_requests.get() != nullptr) return true;
  if (objects.active_requests.keep(steal(PyDict_New())) == nullptr) return false;
  for (RequestEvents* events = current; events != nullptr; events = events->outer_) {
    if (&events->context_.objects == &objects) events->enter_active();
  }
  return true;
}

bool RequestEvents::subscribed() const noexcept {
  return bindings::has_event_subscribers(context_.objects.module.ptr());
}

const Object& RequestEvents::data() {
  if (!data_) data_ = steal(PyDict_New());
  return data_;
}

PyObject* RequestEvents::current_data() {
  if (current != nullptr) return Py_XNewRef(current->data().ptr());
  PyErr_SetString(PyExc_RuntimeError, "request_data() called on a thread that serves no request");
  return nullptr;
}

void RequestEvents::publish(const char* name, PyObject* event) const {
  if (event != nullptr) bindings::publish_event(context_.objects.module.ptr(), name, event);
  ForkedCopy::end_if_this();
}

Object RequestEvents::started(const Object& application, PyObject* environ) {
  if (!subscribed()) return application;
  cpu_start_ = thread_cpu();
  const std::uint64_t connections = context_.dispatched.daemon_tries;
  DictBuilder event = begin_event(context_);
  add_times(event, context_);
  event
      .set("daemon_connects", connections)
      // A daemon process that passes a request on is about to restart.
      .set("daemon_restarts", connections == 0 ? 0 : connections - 1)
      .set("application_object", application)
      .set("callable_object", text(context_.dispatched.callable))
      .set("request_environ", bindings::borrow(environ))
      .set("request_data", data());
  publish("request_started", event.dict());
  const Object chosen = event.dict() != nullptr ? bindings::item_of(event.dict(), "application_object") : Object();
  return chosen ? chosen : application;
}

void RequestEvents::response_started(PyObject* status, PyObject* headers, PyObject* exc_info) {
  if (!subscribed()) return;
  DictBuilder event = begin_event(context_);
  event.set("response_status", bindings::borrow(status))
      .set("response_headers", bindings::borrow(headers))
      .set("exception_info", bindings::borrow(exc_info))
      .set("request_data", data());
  publish("response_started", event.dict());
}

void RequestEvents::exception() {
  if (!subscribed()) return;
  bindings::SavedException saved;
  saved.normalize();
  const auto or_none = [](const Object& value) { return value ? value.ptr() : Py_None; };
  DictBuilder event = begin_event(context_);
  event
      .set("exception_info",
           steal(PyTuple_Pack(3, or_none(saved.type()), or_none(saved.value()), or_none(saved.traceback()))))
      .set("request_data", data());
  publish("request_exception", event.dict());
}

void RequestEvents::finished() {
  if (!subscribed()) return;
  const Measurement& measured = context_.measurement;
  const Completion& done = measured.done;
  const ThreadCpu cpu = thread_cpu();
  const double user = seconds_of_us(cpu.user_us - cpu_start_.user_us);
  const double system = seconds_of_us(cpu.system_us - cpu_start_.system_us);
  DictBuilder event = begin_event(context_);
  add_times(event, context_);
  event.set("application_finish", measured.wall_time(measured.timestamps.left_ns))
      .set("application_time", seconds_of_ns(measured.timestamps.left_ns - measured.timestamps.entered_ns))
      .set("input_reads", done.input_reads)
      .set("input_length", done.input_bytes)
      .set("input_time", seconds_of_ns(measured.input_ns))
      .set("output_writes", done.output_writes)
      .set("output_length", done.output_bytes)
      .set("output_time", seconds_of_ns(measured.output_ns))
      .set("status", static_cast<std::uint64_t>(done.status))
      .set("cpu_user_time", user)
      .set("cpu_system_time", system)
      .set("cpu_time", user + system)
      .set("gil_wait_time", seconds_of_ns(done.gil_waits.total))
      .set("gil_wait_count", done.gil_waits.count)
      .set("request_data", data());
  publish("request_finished", event.dict());
}

bool add_request_functions(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace sluice::wsgi
