// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/service_process.hpp"

#include <Python.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>

#include "absl/strings/str_cat.h"
#include "adapters/daemon/signal_queue.hpp"
#include "adapters/wsgi/python/gil.hpp"
#include "bindings/object.hpp"

namespace sluice::daemon {
namespace {

using bindings::Object;
using bindings::steal;

constinit std::atomic<bool> exit_requested{false};

/// Called in the handler of a signal. Makes Python call its handler of SIGTERM, once, so that a second signal does not
/// interrupt the clean-up of the script.
void request_exit(int signal) noexcept {
  if (signal == SIGTERM && !exit_requested.exchange(true, std::memory_order_relaxed)) PyErr_SetInterruptEx(SIGTERM);
}

PyObject* raise_system_exit(PyObject*, PyObject*) {
  PyErr_SetObject(PyExc_SystemExit, nullptr);
  return nullptr;
}

PyMethodDef exit_method = {"raise_system_exit", raise_system_exit, METH_VARARGS, nullptr};

/// Makes SIGTERM raise SystemExit. Python's own handler takes the place of that of the process, which notes the signal,
/// only until keep_handlers() is called.
bool raise_at_sigterm() {
  const Object handler = steal(PyCFunction_New(&exit_method, nullptr));
  const Object module = handler ? steal(PyImport_ImportModule("signal")) : Object();
  const Object before =
      module ? steal(PyObject_CallMethod(module.ptr(), "signal", "iO", SIGTERM, handler.ptr())) : Object();
  PyErr_Clear();
  return static_cast<bool>(before);
}

/// Drops a signal that has arrived after the last script, so that exit handlers are not interrupted.
void drop_pending_signal() {
  if (PyErr_CheckSignals() < 0) PyErr_Clear();
}

}  // namespace

void run_service_scripts(const DaemonOptions& options, std::span<const ImportedScript> scripts, wsgi::Runtime& runtime,
                         wsgi::ThreadContext& thread, ShutdownController& shutdown) {
  PyThreadState* const state = thread.state_in(runtime.main_interpreter()->state());
  {
    const wsgi::WithGil gil(state);
    if (raise_at_sigterm()) SignalQueue::observe(request_exit);
  }
  ShutdownController::keep_handlers();
  shutdown.interrupt_at_close(::pthread_self());
  for (const ImportedScript& script : scripts) {
    if (shutdown.closing()) break;
    runtime.import_script(script.application_group, script.path, thread, true);
  }
  shutdown.interrupt_at_close(pthread_t{});
  SignalQueue::observe(nullptr);
  {
    const wsgi::WithGil gil(state);
    drop_pending_signal();
  }
  if (shutdown.closing() || scripts.empty() || runtime.has_other_threads()) return;
  runtime.host().log(LogLevel::kInfo, absl::StrCat("SLC0954: the scripts of service process '", options.name,
                                                   "' have ended; the process is replaced"));
  shutdown.stop(ShutdownController::Stop::kEnd, "service_ended");
}

}  // namespace sluice::daemon
