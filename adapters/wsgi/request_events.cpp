#include "adapters/wsgi/request_events.hpp"

#include <unistd.h>

#include <cstdint>
#include <utility>

#include "adapters/wsgi/forked_copy.hpp"
#include "bindings/module.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

/// The request that this thread serves. Requests nest when a server makes subrequests.
thread_local constinit RequestEvents* current = nullptr;

/// An event under construction. An error on the way leaves it without the key that failed.
class Event {
 public:
  Event() : dict_(steal(PyDict_New())) {}

  Event& add(const char* key, const Object& value) {
    if (!dict_ || !value || PyDict_SetItemString(dict_.ptr(), key, value.ptr()) < 0) PyErr_Clear();
    return *this;
  }
  Event& add(const char* key, PyObject* borrowed) { return add(key, bindings::borrow(borrowed)); }
  Event& add(const char* key, double value) { return add(key, steal(PyFloat_FromDouble(value))); }
  Event& add(const char* key, std::uint64_t value) { return add(key, steal(PyLong_FromUnsignedLongLong(value))); }
  Event& add(const char* key, std::string_view text) {
    return add(key, steal(PyUnicode_DecodeLatin1(text.data(), static_cast<Py_ssize_t>(text.size()), nullptr)));
  }

  void publish(const Call& call, const char* name) {
    if (dict_) bindings::publish_event(call.interpreter.furniture().module.ptr(), name, dict_.ptr());
    ForkedCopy::end_if_this();
  }

  [[nodiscard]] Object get(const char* key) const {
    return dict_ ? bindings::borrow(PyDict_GetItemString(dict_.ptr(), key)) : Object();
  }

 private:
  Object dict_;
};

constexpr double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }
double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// A timestamp as seconds since the epoch. The wall clock as it is now stands for what it was then.
double wall_of(std::uint64_t mark_ns) {
  const std::uint64_t now_ns = monotonic_ns();
  return static_cast<double>(system_clock().wall_ns()) / 1e9 - seconds(now_ns > mark_ns ? now_ns - mark_ns : 0);
}

rusage thread_usage() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return usage;
}

void add_identity(Event& event, const Call& call) {
  if (const std::string_view id = call.exchange.id(); !id.empty()) event.add("request_id", id);
}

void add_times(Event& event, const Call& call) {
  const Timestamps& timestamps = call.measurement.timestamps;
  event.add("thread_id", std::uint64_t{call.thread_id})
      .add("server_pid", static_cast<std::uint64_t>(::getpid()))
      .add("request_start", wall_of(timestamps.accepted_ns))
      .add("queue_start", timestamps.queued_ns != 0 ? wall_of(timestamps.queued_ns) : 0.0)
      .add("daemon_start", timestamps.dispatched_ns != 0 ? wall_of(timestamps.dispatched_ns) : 0.0)
      .add("application_start", wall_of(timestamps.entered_ns));
}

PyObject* request_data(PyObject*, PyObject*) { return RequestEvents::current_data(); }

PyMethodDef functions[] = {
    {"request_data", request_data, METH_NOARGS,
     "request_data()\n--\n\nReturn the dict that subscribers to events and the application share during the request "
     "which\n"
     "this thread serves. Raise RuntimeError on a thread that serves none."},
    {nullptr, nullptr, 0, nullptr},
};

}  // namespace

RequestEvents::RequestEvents(const Call& call) : call_(call), outer_(std::exchange(current, this)) {}

RequestEvents::~RequestEvents() { current = outer_; }

bool RequestEvents::wanted() const noexcept {
  return bindings::has_event_subscribers(call_.interpreter.furniture().module.ptr());
}

PyObject* RequestEvents::data() {
  if (!data_) data_ = steal(PyDict_New());
  return data_.ptr();
}

PyObject* RequestEvents::current_data() {
  if (current != nullptr) return Py_XNewRef(current->data());
  PyErr_SetString(PyExc_RuntimeError, "request_data() called on a thread that serves no request");
  return nullptr;
}

Object RequestEvents::started(const Object& application, PyObject* environ) {
  if (!wanted()) return application;
  cpu_start_ = thread_usage();
  Event event;
  add_identity(event, call_);
  add_times(event, call_);
  const std::uint64_t tries = call_.measurement.daemon_tries;
  event.add("daemon_connects", tries)
      .add("daemon_restarts", tries == 0 ? 0 : tries - 1)  // who sends a request elsewhere ends
      .add("application_object", application)
      .add("callable_object", std::string_view(call_.callable))
      .add("request_environ", environ)
      .add("request_data", data())
      .publish(call_, "request_started");
  const Object chosen = event.get("application_object");
  return chosen ? chosen : application;
}

void RequestEvents::response_started(PyObject* status, PyObject* headers, PyObject* exc_info) {
  if (!wanted()) return;
  Event event;
  add_identity(event, call_);
  event.add("response_status", status)
      .add("response_headers", headers)
      .add("exception_info", exc_info)
      .add("request_data", data())
      .publish(call_, "response_started");
}

void RequestEvents::exception() {
  if (!wanted()) return;
  PyObject* raw[3] = {};
  PyErr_Fetch(&raw[0], &raw[1], &raw[2]);
  PyErr_NormalizeException(&raw[0], &raw[1], &raw[2]);
  const bool has_traceback = raw[1] != nullptr && PyExceptionInstance_Check(raw[1]) && raw[2] != nullptr;
  if (has_traceback) PyException_SetTraceback(raw[1], raw[2]);
  const auto or_none = [](PyObject* value) { return value != nullptr ? value : Py_None; };
  Event event;
  add_identity(event, call_);
  event.add("exception_info", steal(PyTuple_Pack(3, or_none(raw[0]), or_none(raw[1]), or_none(raw[2]))))
      .add("request_data", data())
      .publish(call_, "request_exception");
  PyErr_Restore(raw[0], raw[1], raw[2]);
}

void RequestEvents::finished() {
  if (!wanted()) return;
  const Measurement& measured = call_.measurement;
  const rusage cpu = thread_usage();
  const double user = seconds(cpu.ru_utime) - seconds(cpu_start_.ru_utime);
  const double system = seconds(cpu.ru_stime) - seconds(cpu_start_.ru_stime);
  Event event;
  add_identity(event, call_);
  add_times(event, call_);
  event.add("application_finish", wall_of(measured.timestamps.left_ns))
      .add("application_time", seconds(measured.timestamps.left_ns - measured.timestamps.entered_ns))
      .add("input_reads", measured.done.input_reads)
      .add("input_length", measured.done.input_bytes)
      .add("input_time", seconds(measured.input_ns))
      .add("output_writes", measured.done.output_writes)
      .add("output_length", measured.done.output_bytes)
      .add("output_time", seconds(measured.output_ns))
      .add("status", static_cast<std::uint64_t>(measured.done.status))
      .add("cpu_user_time", user)
      .add("cpu_system_time", system)
      .add("cpu_time", user + system)
      .add("gil_wait_time", seconds(measured.done.gil_waits.total_ns))
      .add("gil_wait_count", measured.done.gil_waits.count)
      .add("request_data", data())
      .publish(call_, "request_finished");
}

bool add_request_functions(PyObject* module) { return PyModule_AddFunctions(module, functions) == 0; }

}  // namespace sluice::wsgi
