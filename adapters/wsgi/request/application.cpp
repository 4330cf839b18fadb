// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/application.hpp"

#include <vector>

#include "absl/strings/str_cat.h"
#include "adapters/wsgi/python/forked_copy.hpp"
#include "adapters/wsgi/request/environ.hpp"
#include "adapters/wsgi/request/file_wrapper.hpp"
#include "adapters/wsgi/request/input.hpp"
#include "adapters/wsgi/request/request_events.hpp"
#include "adapters/wsgi/request/response.hpp"
#include "adapters/wsgi/request/start_response.hpp"
#include "bindings/module.hpp"
#include "bindings/saved_exception.hpp"
#include "bindings/traceback.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

void log_traceback(const RequestContext& context) {
  for (const std::string& line : bindings::take_traceback()) context.exchange.log(LogLevel::kError, line);
}

/// Logs the exception that is set and clears it. SystemExit is an error like others, because the process belongs to the
/// server.
void log_exception(const RequestContext& context) {
  const std::string name = bindings::exception_name();
  const std::string& script = context.dispatched.script.path;
  if (PyErr_ExceptionMatches(PyExc_SystemExit) != 0) {
    context.exchange.log(LogLevel::kError, absl::StrCat("SLC0121: ", name, " exception raised by WSGI script '", script,
                                                        "' does not end the process. Traceback follows."));
  } else {
    context.exchange.log(LogLevel::kError, absl::StrCat("SLC0120: ", name, " exception raised processing WSGI script '",
                                                        script, "'. Traceback follows."));
  }
  log_traceback(context);
}

/// Logs that RequestTimeout, which the application or the server has raised, has ended the request.
void log_timeout(bool head_sent, const Exchange& exchange) {
  if (head_sent) {
    exchange.log(LogLevel::kInfo,
                 "SLC0127: RequestTimeout ended the request after its response had begun; the response is cut off.");
  } else {
    exchange.log(LogLevel::kInfo,
                 "SLC0122: Request interrupted by RequestTimeout; thread recovered. The client gets 504.");
  }
}

/// Views an item of a response as a block of the body. Returns false with TypeError set.
bool block_of(PyObject* item, std::string_view& block) {
  if (PyBytes_Check(item) == 0) {
    PyErr_Format(PyExc_TypeError, "response iterable must yield bytes, not %.200s", Py_TYPE(item)->tp_name);
    return false;
  }
  block = {PyBytes_AS_STRING(item), static_cast<std::size_t>(PyBytes_GET_SIZE(item))};
  return true;
}

/// Views the blocks of a list or tuple of bytes, which holds the whole body, so that it is sent in one piece. Returns
/// the items, because another thread may remove them from the list while they are sent. Returns null, with no exception
/// set, for any other result.
Object all_blocks(PyObject* result, std::vector<std::string_view>& blocks) {
  if (!PyList_CheckExact(result) && !PyTuple_CheckExact(result)) return {};
  Object items = steal(PySequence_Tuple(result));
  if (!items) PyErr_Clear();
  for (Py_ssize_t i = 0; items && i < PyTuple_GET_SIZE(items.ptr()); ++i) {
    PyObject* const item = PyTuple_GET_ITEM(items.ptr(), i);
    std::string_view block;
    if (PyBytes_Check(item) == 0 || !block_of(item, block)) return {};
    blocks.push_back(block);
  }
  return items;
}

bool small(absl::Span<const std::string_view> blocks) {
  std::size_t size = 0;
  for (const std::string_view block : blocks) size += block.size();
  return size <= DeferredWrite::kMaxBytes;
}

/// Sends each block before it asks for the next, as PEP 3333 requires. Returns false with an exception set, or without
/// one when the client has closed the connection.
bool send_each(PyObject* result, Response& response) {
  const Object iterator = steal(PyObject_GetIter(result));
  if (!iterator) return false;
  while (const Object item = steal(PyIter_Next(iterator.ptr()))) {
    std::string_view block;
    if (!block_of(item.ptr(), block)) return false;
    if (!block.empty() && !response.send({&block, 1}, false)) return false;
  }
  return PyErr_Occurred() == nullptr;
}

void close(PyObject* result, const RequestContext& context) {
  const bindings::SavedException saved;
  const Object method = steal(PyObject_GetAttrString(result, "close"));
  if (!method && PyErr_ExceptionMatches(PyExc_AttributeError) != 0) {
    PyErr_Clear();
  } else if (!method || !steal(PyObject_CallNoArgs(method.ptr()))) {
    log_exception(context);
  }
}

/// Sends what the application has returned and closes it. Returns false as send_each() does.
bool send_result(PyObject* result, Response& response, const RequestEvents& events, const RequestContext& context) {
  std::vector<std::string_view> blocks;
  // Subscribers run after the end of the response.
  if (events.subscribed()) context.exchange.expect_lines_after_end();
  if (const Object items = all_blocks(result, blocks)) {
    // A list runs no code and has no close(), so the application is done before its response is sent.
    context.measurement.mark_left();
    return !events.subscribed() && small(blocks) ? response.defer(blocks) : response.send(blocks, true);
  }
  bool sent = false;
  if (const auto file = regular_file(result, context.objects.file_wrapper_type.ptr()); file && !response.body_begun()) {
    sent = response.send_file(file->descriptor, file->offset, file->size);
  } else if (PyErr_Occurred() == nullptr) {
    sent = send_each(result, response);
  }
  close(result, context);
  context.measurement.mark_left();
  if (sent) sent = events.subscribed() ? response.send({}, true) : response.defer({});
  return sent;
}

/// Decides the outcome of a request whose application has raised an exception. Ends the response first, so that neither
/// subscribers nor other threads can change the outcome.
Outcome fail(Response& response, RequestEvents& events, const RequestContext& context) {
  ForkedCopy::end_if_this();
  response.end();
  PyObject* const timeout = bindings::request_timeout_type(context.objects.module.ptr());
  const bool timed_out = PyErr_ExceptionMatches(timeout) != 0;
  if (timed_out) {
    PyErr_Clear();
    log_timeout(response.head_sent(), context.exchange);
  } else {
    events.exception();
    log_exception(context);
  }
  if (response.head_sent()) {
    response.break_off();
    return Outcome::kResponded;
  }
  context.measurement.done.status = timed_out ? 504 : 500;
  return timed_out ? Outcome::kTimedOut : Outcome::kFailed;
}

Outcome finish(bool sent, Response& response, RequestEvents& events, const RequestContext& context) {
  if (PyErr_Occurred() != nullptr) return fail(response, events, context);
  response.end();
  if (!sent) {
    log_client_gone(context.exchange);
    return Outcome::kResponded;
  }
  if (!context.deferred.pending && response.incomplete()) {
    log_short_response(context.exchange);
    response.break_off();
  }
  return Outcome::kResponded;
}

Object callable_of(PyObject* module, const RequestContext& context) {
  if (Object application = context.objects.names.in_module(module, context.dispatched.callable)) return application;
  context.exchange.log(LogLevel::kError,
                       absl::StrCat("SLC0126: WSGI script '", context.dispatched.script.path,
                                    "' does not contain WSGI application '", context.dispatched.callable,
                                    "'; the client gets 404. Define it, or name another with WSGICallableObject."));
  return {};
}

/// The objects that the application gets for one request. They refuse further calls once it is over.
class Arguments {
 public:
  Arguments(const RequestContext& context, InputBuffer& input, Response& response, ResponseObserver& observer)
      : context_(context),
        input_(make_input(context.objects.input_type.ptr(), input, context.measurement)),
        start_response_(make_start_response(context.objects.start_response_type.ptr(), response, observer)),
        environ_(input_ ? make_environ(context, input_.ptr()) : Object()) {}
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  ~Arguments() {
    if (start_response_) finish_start_response(start_response_.ptr(), context_.measurement);
    if (input_) finish_input(input_.ptr(), context_.measurement);
  }

  [[nodiscard]] bool complete() const noexcept { return environ_ && start_response_; }
  [[nodiscard]] PyObject* environ() const noexcept { return environ_.ptr(); }
  [[nodiscard]] PyObject* start_response() const noexcept { return start_response_.ptr(); }

 private:
  const RequestContext& context_;
  Object input_;
  Object start_response_;
  Object environ_;
};

}  // namespace

Outcome run_application(PyObject* module, const RequestContext& context, RequestEvents& events) {
  const Object application = callable_of(module, context);
  if (!application) {
    context.measurement.done.status = 404;
    return Outcome::kMissing;
  }
  InputBuffer input(context.exchange, context.measurement);
  Response response(context.exchange, context.measurement, context.deferred);
  const Arguments arguments(context, input, response, events);
  if (!arguments.complete()) return fail(response, events, context);

  context.measurement.mark_entered();
  if (!add_instants(context, arguments.environ())) return fail(response, events, context);
  const Object chosen = events.started(application, arguments.environ());
  const Object result =
      steal(PyObject_CallFunctionObjArgs(chosen.ptr(), arguments.environ(), arguments.start_response(), nullptr));
  ForkedCopy::end_if_this();
  const bool sent = result && send_result(result.ptr(), response, events, context);
  if (!result) context.measurement.mark_left();
  const Outcome outcome = finish(sent, response, events, context);
  events.finished();
  return outcome;
}

}  // namespace sluice::wsgi
