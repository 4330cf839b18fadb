// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/process/interpreter.hpp"

#include "absl/strings/str_cat.h"
#include "adapters/wsgi/process/log_stream.hpp"
#include "adapters/wsgi/process/restricted_stream.hpp"
#include "adapters/wsgi/python/python_path.hpp"
#include "adapters/wsgi/request/file_wrapper.hpp"
#include "adapters/wsgi/request/input.hpp"
#include "adapters/wsgi/request/request_events.hpp"
#include "adapters/wsgi/request/start_response.hpp"
#include "bindings/module.hpp"
#include "bindings/traceback.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

/// Logs the traceback of the exception that is set, and clears it.
void log_traceback(const bindings::Host& host) {
  for (const std::string& line : bindings::take_traceback()) host.log(LogLevel::kError, line);
}

/// Calls a function of a module and logs an exception that it raises.
void call_function(const bindings::Host& host, const char* module_name, const char* function) {
  const Object module = steal(PyImport_ImportModule(module_name));
  if (module && steal(PyObject_CallMethod(module.ptr(), function, nullptr))) return;
  host.log(LogLevel::kError, absl::StrCat("SLC0131: ", module_name, ".", function,
                                          "() raised an exception at shutdown, which goes on. Traceback follows."));
  log_traceback(host);
}

/// Joins the non-daemon threads, as Python does at its exit. threading._shutdown() also waits for its main thread, the
/// one that imported `threading`, unless that is the calling thread. The calling thread takes its identity, because it
/// is the thread that ends the process.
void join_threads(const bindings::Host& host) {
  const Object threading = steal(PyImport_ImportModule("threading"));
  const Object main_thread = threading ? steal(PyObject_CallMethod(threading.ptr(), "main_thread", nullptr)) : Object();
  const Object here = steal(PyLong_FromUnsignedLong(PyThread_get_thread_ident()));
  if (!main_thread || !here || PyObject_SetAttrString(main_thread.ptr(), "_ident", here.ptr()) < 0) PyErr_Clear();
  call_function(host, "threading", "_shutdown");
  // Python calls the function again when it ends the interpreter, and Python 3.12 fails on a second call. object() does
  // nothing.
  auto* const nothing = reinterpret_cast<PyObject*>(&PyBaseObject_Type);
  if (threading && PyObject_SetAttrString(threading.ptr(), "_shutdown", nothing) < 0) PyErr_Clear();
}

bool set_switch_interval(double seconds) {
  PyObject* const function = PySys_GetObject("setswitchinterval");  // borrowed
  return function != nullptr && steal(PyObject_CallFunction(function, "d", seconds));
}

bool set_sys(const char* name, const Object& value) { return value && PySys_SetObject(name, value.ptr()) == 0; }

}  // namespace

Interpreter::Interpreter(const Options& options)
    : name_(options.name),
      owner_(PyThreadState_Get()),
      state_(PyThreadState_GetInterpreter(owner_)),
      scripts_(name_, options.script_owner, objects_.names) {}

std::unique_ptr<Interpreter> Interpreter::create(const Options& options, bindings::Host& host) {
  // Objects of Python may refer to it until the process ends, so it is leaked when this fails, also by an exception.
  auto* const interpreter = new Interpreter(options);
  if (interpreter->initialize(options, host)) return std::unique_ptr<Interpreter>(interpreter);
  host.log(LogLevel::kError,
           absl::StrCat("SLC0130: the Python interpreter for application group '", options.name,
                        "' could not be set up; its requests are answered with 500. Traceback follows."));
  log_traceback(host);
  interpreter->clear();
  return nullptr;
}

bool Interpreter::initialize(const Options& options, bindings::Host& host) {
  objects_.log_type = make_log_type();
  if (!objects_.log_type) return false;
  PyObject* const log = objects_.log_type.ptr();
  objects_.request_errors = make_log_stream(log, Stream::kRequestErrors, host);
  if (!objects_.request_errors ||
      !set_sys("stdout", options.restrict_stdout ? make_restricted_stream("sys.stdout")
                                                 : make_log_stream(log, Stream::kOutput, host)) ||
      (options.restrict_stdin && !set_sys("stdin", make_restricted_stream("sys.stdin"))) ||
      !set_sys("stderr", make_log_stream(log, Stream::kError, host)) ||
      !set_sys("argv", steal(Py_BuildValue("[s]", "mod_wsgi")))) {
    return false;
  }
  if (!guard_signals(options.signals, host)) return false;
  // `threading` takes the importing thread for its main thread, so the owner of the interpreter imports it.
  if (!steal(PyImport_ImportModule("threading"))) return false;
  if (!prepend_python_path(options.python_path) || !insert_first_directory(options.home)) return false;
  if (options.switch_interval > 0.0 && !set_switch_interval(options.switch_interval)) return false;

  objects_.module = steal(PyImport_ImportModule("mod_wsgi"));
  if (!objects_.module || !bindings::bind_module(objects_.module.ptr(), host, name_) ||
      !add_request_functions(objects_.module.ptr())) {
    return false;
  }
  objects_.input_type = make_input_type();
  objects_.start_response_type = make_start_response_type();
  objects_.file_wrapper_type = make_file_wrapper_type();
  module_context_ = {.host = &host, .objects = &objects_};
  return objects_.input_type && objects_.start_response_type && objects_.file_wrapper_type &&
         add_module_attributes(objects_.module.ptr(), module_context_) && add_apache_module(options.server) &&
         (options.collections == nullptr || collections_.install(*options.collections)) &&
         objects_.names.expect_variables();
}

void Interpreter::publish_stopping(const std::string& reason) {
  bindings::publish_process_stopping(objects_.module.ptr(), reason);
}

void Interpreter::run_exit_handlers(const bindings::Host& host) {
  join_threads(host);
  call_function(host, "atexit", "_run_exitfuncs");
}

bool Interpreter::has_no_other_threads() const noexcept {
  // Reads no state of another thread, which could end meanwhile where there is no GIL: the oldest state is the last
  // one.
  return PyInterpreterState_ThreadHead(state_) == owner_ && PyThreadState_Next(owner_) == nullptr;
}

void Interpreter::clear() noexcept {
  collections_.clear();
  scripts_.clear();
  objects_ = {};
}

}  // namespace sluice::wsgi
