// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/service_process.hpp"

#include <Python.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

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
/// until keep_handlers() is called. Returns false when the process is told to end meanwhile: that signal is not noted.
bool raise_at_sigterm() {
  const Object handler = steal(PyCFunction_New(&exit_method, nullptr));
  const Object module = handler ? steal(PyImport_ImportModule("_signal")) : Object();
  const Object before =
      module ? steal(PyObject_CallMethod(module.ptr(), "signal", "iO", SIGTERM, handler.ptr())) : Object();
  const bool raises = static_cast<bool>(before);
  if (raises) SignalQueue::observe(request_exit);
  ShutdownController::keep_handlers();
  const bool told = raises ? PyErr_CheckSignals() < 0 : PyErr_ExceptionMatches(PyExc_SystemExit) != 0;
  PyErr_Clear();
  return !told;
}

/// Drops a signal that has arrived after the last script, so that exit handlers are not interrupted.
void drop_pending_signal() {
  if (PyErr_CheckSignals() < 0) PyErr_Clear();
}

/// A thread that raises SystemExit in a script of a sub-interpreter when the process closes, because Python handles
/// signals in the main interpreter only. The object is never destroyed.
class ScriptInterrupter {
 public:
  ScriptInterrupter(wsgi::Runtime& runtime, ShutdownController& shutdown)
      : runtime_(runtime), shutdown_(shutdown), main_thread_(PyThread_get_thread_ident()) {
    std::thread([this] { run(); }).detach();
  }

  /// The script that runs, if any.
  [[nodiscard]] wsgi::Interruptible& script() noexcept { return script_; }

  /// Blocks until the thread has left Python, which it does not enter again. The caller holds no GIL.
  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }

 private:
  void run() {
    shutdown_.wait_for_closing();
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    wsgi::ThreadContext thread(runtime_.host().recorder());
    runtime_.end_script(script_, main_thread_, thread);
    thread.end(true);
  }

  wsgi::Runtime& runtime_;
  ShutdownController& shutdown_;
  const unsigned long main_thread_;
  wsgi::Interruptible script_;
  std::mutex mutex_;  ///< Held while the thread is inside Python.
  bool stopped_ = false;
};

bool is_in_sub_interpreter(const ImportedScript& script) { return !script.application_group.empty(); }

/// Runs the scripts until the process closes.
void run_scripts(std::span<const ImportedScript> scripts, wsgi::Runtime& runtime, wsgi::ThreadContext& thread,
                 ShutdownController& shutdown) {
  // A script of the main interpreter is interrupted by the signal, which ends a blocking call, too.
  wsgi::Interruptible in_main;
  const bool others = std::any_of(scripts.begin(), scripts.end(), is_in_sub_interpreter);
  ScriptInterrupter* const interrupter = others ? new ScriptInterrupter(runtime, shutdown) : nullptr;
  for (const ImportedScript& script : scripts) {
    if (shutdown.closing()) break;
    wsgi::Interruptible& service = is_in_sub_interpreter(script) ? interrupter->script() : in_main;
    runtime.import_script(script.application_group, script.path, thread, &service);
  }
  if (interrupter != nullptr) interrupter->stop();
}

}  // namespace

void run_service_scripts(const DaemonOptions& options, std::span<const ImportedScript> scripts, wsgi::Runtime& runtime,
                         wsgi::ThreadContext& thread, ShutdownController& shutdown) {
  PyThreadState* const state = thread.state_in(runtime.main_interpreter()->state());
  bool told = false;
  {
    const wsgi::WithGil gil(state);
    told = !raise_at_sigterm();
  }
  if (told) {
    SignalQueue::observe(nullptr);
    shutdown.stop(ShutdownController::Stop::kEnd, "shutdown_signal");
    return;
  }
  shutdown.interrupt_at_close(::pthread_self());
  run_scripts(scripts, runtime, thread, shutdown);
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
