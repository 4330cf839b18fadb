// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/python/signal_guard.hpp"

#include <signal.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "adapters/wsgi/python/forked_copy.hpp"
#include "bindings/items.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {
namespace {

using bindings::borrow;
using bindings::Object;
using bindings::steal;

/// The state of a replaced function: a tuple that is the `self` of its replacement.
enum Member : Py_ssize_t { kOriginal, kHost, kSignalModule, kLogged, kMembers };

constexpr Py_ssize_t kLoggedMax = 1000;

/// Where the code of the application called: file, line and function, behind the frames of the module `signal`.
std::string caller(PyObject* signal_module) {
  PyObject* const own_globals = PyModule_GetDict(signal_module);
  Object frame = borrow(reinterpret_cast<PyObject*>(PyEval_GetFrame()));
  while (frame) {
    auto* const python_frame = reinterpret_cast<PyFrameObject*>(frame.ptr());
    const Object globals = steal(PyFrame_GetGlobals(python_frame));
    if (globals.ptr() != own_globals) break;
    frame = steal(reinterpret_cast<PyObject*>(PyFrame_GetBack(python_frame)));
  }
  if (!frame) return "code without a Python frame";
  auto* const python_frame = reinterpret_cast<PyFrameObject*>(frame.ptr());
  const Object code = steal(reinterpret_cast<PyObject*>(PyFrame_GetCode(python_frame)));
  const Object file = steal(PyObject_GetAttrString(code.ptr(), "co_filename"));
  const Object function = steal(PyObject_GetAttrString(code.ptr(), "co_name"));
  const char* const file_text = file ? PyUnicode_AsUTF8(file.ptr()) : nullptr;
  const char* const function_text = function ? PyUnicode_AsUTF8(function.ptr()) : nullptr;
  if (file_text == nullptr || function_text == nullptr) PyErr_Clear();
  return absl::StrCat(file_text != nullptr ? file_text : "?", ":", PyFrame_GetLineNumber(python_frame), " in ",
                      function_text != nullptr ? function_text : "?");
}

/// Returns " for SIGTERM (15)", or nothing when `number` is no signal.
std::string signal_text(long number) {
  const char* const name = number > 0 && number < NSIG ? ::sigabbrev_np(static_cast<int>(number)) : nullptr;
  if (name != nullptr) return absl::StrCat(" for SIG", name, " (", number, ")");
  return number > 0 ? absl::StrCat(" for signal ", number) : "";
}

/// Logs a call that has no effect, once for each place in the code.
void log_ignored(PyObject* self, const char* function, long number) {
  const auto [level, line] = std::pair(
      LogLevel::kWarning,
      absl::StrCat("SLC0950: ", function, "()", signal_text(number), " at ",
                   caller(PyTuple_GET_ITEM(self, kSignalModule)),
                   " is ignored, because the signals of this process belong to the server; remove the call, or set "
                   "WSGIRestrictSignal Off"));
  PyObject* const logged = PyTuple_GET_ITEM(self, kLogged);
  const Object key = steal(PyUnicode_DecodeUTF8(line.data(), static_cast<Py_ssize_t>(line.size()), "replace"));
  const int is_logged = key ? PySet_Contains(logged, key.ptr()) : -1;
  if (is_logged == 0 && PySet_GET_SIZE(logged) < kLoggedMax) {
    auto* const host = static_cast<const bindings::Host*>(PyCapsule_GetPointer(PyTuple_GET_ITEM(self, kHost), nullptr));
    if (PySet_Add(logged, key.ptr()) == 0 && host != nullptr) host->log_for_request(level, line);
  }
  PyErr_Clear();
}

PyObject* original(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return PyObject_Call(PyTuple_GET_ITEM(self, kOriginal), arguments, keywords);
}

/// Returns the positional argument at `index`; null when there is none.
PyObject* argument(PyObject* arguments, Py_ssize_t index) {
  return index < PyTuple_GET_SIZE(arguments) ? PyTuple_GET_ITEM(arguments, index) : nullptr;
}

/// Returns an argument as a number; -1 when it is none.
long number_of(PyObject* value) {
  const long number = value != nullptr && PyNumber_Check(value) != 0 ? PyLong_AsLong(value) : -1;
  PyErr_Clear();
  return number;
}

bool is_handler(PyObject* handler) {
  if (handler == Py_None || PyCallable_Check(handler) != 0) return true;
  const long number = PyLong_Check(handler) != 0 ? PyLong_AsLong(handler) : -1;
  PyErr_Clear();
  return number == 0 || number == 1;  // SIG_DFL, SIG_IGN
}

/// signal.signal(). Returns the handler in use, so that a caller can give it back. Wrong arguments raise what they
/// raise everywhere.
PyObject* ignore_signal(PyObject* self, PyObject* arguments, PyObject* keywords) {
  const bool callable = PyTuple_GET_SIZE(arguments) == 2 && keywords == nullptr;
  if (ForkedCopy::is_this() || !callable) return original(self, arguments, keywords);
  if (!is_handler(argument(arguments, 1))) {
    PyErr_SetString(PyExc_TypeError, "signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object");
    return nullptr;
  }
  Object handler =
      steal(PyObject_CallMethod(PyTuple_GET_ITEM(self, kSignalModule), "getsignal", "O", argument(arguments, 0)));
  if (!handler) return nullptr;
  log_ignored(self, "signal.signal", number_of(argument(arguments, 0)));
  return handler.release().ptr();
}

PyObject* ignore_wakeup_fd(PyObject* self, PyObject* arguments, PyObject* keywords) {
  if (ForkedCopy::is_this()) return original(self, arguments, keywords);
  if (number_of(argument(arguments, 0)) >= 0) log_ignored(self, "signal.set_wakeup_fd", -1);
  return PyLong_FromLong(-1);
}

PyObject* ignore_siginterrupt(PyObject* self, PyObject* arguments, PyObject* keywords) {
  if (ForkedCopy::is_this()) return original(self, arguments, keywords);
  log_ignored(self, "signal.siginterrupt", number_of(argument(arguments, 0)));
  Py_RETURN_NONE;
}

/// signal.alarm(). SIGALRM would end the process, because its handler was not registered.
PyObject* ignore_alarm(PyObject* self, PyObject* arguments, PyObject* keywords) {
  if (ForkedCopy::is_this()) return original(self, arguments, keywords);
  if (number_of(argument(arguments, 0)) != 0) log_ignored(self, "signal.alarm", SIGALRM);
  return PyLong_FromLong(0);
}

PyObject* ignore_itimer(PyObject* self, PyObject* arguments, PyObject* keywords) {
  if (ForkedCopy::is_this()) return original(self, arguments, keywords);
  PyObject* const seconds = argument(arguments, 1);
  const double value = seconds != nullptr && PyNumber_Check(seconds) != 0 ? PyFloat_AsDouble(seconds) : 1.0;
  PyErr_Clear();
  if (value != 0.0) log_ignored(self, "signal.setitimer", -1);
  return Py_BuildValue("(dd)", 0.0, 0.0);
}

PyObject* ignore_register(PyObject* self, PyObject* arguments, PyObject* keywords) {
  if (ForkedCopy::is_this()) return original(self, arguments, keywords);
  const Object named = keywords != nullptr ? bindings::item_of(keywords, "signum") : Object();
  log_ignored(self, "faulthandler.register", number_of(named ? named.ptr() : argument(arguments, 0)));
  Py_RETURN_NONE;
}

using Replacement = PyObject* (*)(PyObject*, PyObject*, PyObject*);

PyCFunction untyped(Replacement function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

constexpr int kFlags = METH_VARARGS | METH_KEYWORDS;

/// Functions of the module `_signal`, which `signal` wraps or copies.
PyMethodDef signal_functions[] = {
    {"signal", untyped(ignore_signal), kFlags, nullptr},
    {"set_wakeup_fd", untyped(ignore_wakeup_fd), kFlags, nullptr},
    {"siginterrupt", untyped(ignore_siginterrupt), kFlags, nullptr},
    {"alarm", untyped(ignore_alarm), kFlags, nullptr},
    {"setitimer", untyped(ignore_itimer), kFlags, nullptr},
};

PyMethodDef fault_functions[] = {{"register", untyped(ignore_register), kFlags, nullptr}};

/// The objects that all replacements of an interpreter share.
struct Shared {
  Object host;
  Object signal_module;
  Object logged;
};

bool replace(PyObject* module, PyObject* copied_to, PyMethodDef& definition, const Shared& shared) {
  const Object original = steal(PyObject_GetAttrString(module, definition.ml_name));
  if (!original) return false;
  const Object self =
      steal(PyTuple_Pack(kMembers, original.ptr(), shared.host.ptr(), shared.signal_module.ptr(), shared.logged.ptr()));
  const Object name = steal(PyObject_GetAttrString(module, "__name__"));
  const Object replacement = self && name ? steal(PyCFunction_NewEx(&definition, self.ptr(), name.ptr())) : Object();
  if (!replacement || PyObject_SetAttrString(module, definition.ml_name, replacement.ptr()) < 0) return false;
  if (copied_to == nullptr) return true;
  const Object copy = steal(PyObject_GetAttrString(copied_to, definition.ml_name));
  if (!copy) PyErr_Clear();
  return copy.ptr() != original.ptr() || PyObject_SetAttrString(copied_to, definition.ml_name, replacement.ptr()) == 0;
}

/// Gives a process that the application has forked the dispositions of a program of its own. Python runs it in the
/// child of os.fork(). A handler that Python did not install is the server's.
PyObject* after_fork(PyObject* self, PyObject*) {
  PyObject* const module = PyTuple_GET_ITEM(self, kSignalModule);
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGXCPU}) {
    const Object handler = steal(PyObject_CallMethod(module, "getsignal", "i", number));
    if (handler.ptr() != Py_None) {
      PyErr_Clear();
      continue;
    }
    const Object result = steal(PyObject_CallFunction(PyTuple_GET_ITEM(self, kOriginal), "ii", number, 0));
    PyErr_Clear();
  }
  PyErr_Clear();
  if (PyTuple_GET_ITEM(self, kHost) == Py_True) {
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  }
  Py_RETURN_NONE;
}

PyMethodDef after_fork_function = {"after_fork", after_fork, METH_NOARGS, nullptr};

/// Runs after_fork() in forked processes. `self` has the state of a replaced function, with the policy in place of the
/// host.
bool reset_after_fork(const SignalPolicy& policy, PyObject* core, PyObject* signal_module) {
  const Object original = steal(PyObject_GetAttrString(core, "signal"));
  const Object self = original
                          ? steal(PyTuple_Pack(kMembers, original.ptr(), policy.threads_blocked ? Py_True : Py_False,
                                               signal_module, Py_None))
                          : Object();
  const Object function = self ? steal(PyCFunction_New(&after_fork_function, self.ptr())) : Object();
  const Object os = steal(PyImport_ImportModule("os"));
  const Object run = os ? steal(PyObject_GetAttrString(os.ptr(), "register_at_fork")) : Object();
  const Object keywords = function ? steal(Py_BuildValue("{s:O}", "after_in_child", function.ptr())) : Object();
  const Object none = steal(PyTuple_New(0));
  return run && keywords && none && steal(PyObject_Call(run.ptr(), none.ptr(), keywords.ptr()));
}

}  // namespace

bool guard_signals(const SignalPolicy& policy, const bindings::Host& host) {
  const Object core = steal(PyImport_ImportModule("_signal"));
  const Object signal_module = core ? steal(PyImport_ImportModule("signal")) : Object();
  if (!signal_module || !reset_after_fork(policy, core.ptr(), signal_module.ptr())) return false;
  if (!policy.restricted) return true;
  const Shared shared{.host = steal(PyCapsule_New(const_cast<bindings::Host*>(&host), nullptr, nullptr)),
                      .signal_module = signal_module,
                      .logged = steal(PySet_New(nullptr))};
  if (!shared.host || !shared.logged) return false;
  for (PyMethodDef& function : signal_functions) {
    if (!replace(core.ptr(), signal_module.ptr(), function, shared)) return false;
  }
  const Object faults = steal(PyImport_ImportModule("faulthandler"));
  if (!faults) {
    // An interpreter with its own GIL cannot import it before some release of Python, so no application can use it.
    if (PyErr_ExceptionMatches(PyExc_ImportError) == 0) return false;
    PyErr_Clear();
    return true;
  }
  for (PyMethodDef& function : fault_functions) {
    if (!replace(faults.ptr(), nullptr, function, shared)) return false;
  }
  return true;
}

}  // namespace sluice::wsgi
