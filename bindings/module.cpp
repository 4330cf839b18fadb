// SPDX-License-Identifier: Apache-2.0
#include "bindings/module.hpp"

#include <unistd.h>

#include <array>
#include <memory>
#include <new>

#include "bindings/convert.hpp"
#include "bindings/docstrings.hpp"
#include "bindings/gil.hpp"
#include "bindings/metrics_reader.hpp"
#include "bindings/saved_exception.hpp"
#include "bindings/schema.hpp"
#include "bindings/server_dict.hpp"
#include "bindings/traceback.hpp"

namespace sluice::bindings {
namespace {

struct State {
  Host* host = nullptr;
  DictSchema request_dict{request_fields()};
  DictSchema process_dict{process_fields()};
  DictSchema slow_request_dict{slow_request_fields()};
  ServerDictSchema server_dict;
  Subscribers event_subscribers;
  Subscribers shutdown_subscribers;
  Subscribers signal_subscribers;
  Object request_timeout;
  Object metrics_reader_type;
};

/// The memory that CPython allocates for a module. It is zeroed; exec() creates the state in it.
struct ModuleStorage {
  State* state;
  alignas(State) std::byte bytes[sizeof(State)];
};

ModuleStorage& storage_of(PyObject* module) { return *static_cast<ModuleStorage*>(PyModule_GetState(module)); }

/// Returns the state of a module, or null with an exception set for one that is not bound to a host or was not
/// executed. An application can create such modules with `_imp.create_builtin()`.
State* state_of(PyObject* module) {
  const auto* const storage = static_cast<ModuleStorage*>(PyModule_GetState(module));
  State* const state = storage != nullptr ? storage->state : nullptr;
  if (state != nullptr && state->host != nullptr) return state;
  PyErr_SetString(PyExc_RuntimeError, "this mod_wsgi module does not belong to a host");
  return nullptr;
}

bool accessible(const State& state) { return !state.host->external_reporter() && state.host->session().active(); }

PyObject* start_recording_metrics(PyObject* module, PyObject*) {
  State* const state = state_of(module);
  if (state == nullptr || !without_gil([&] { state->host->session().start(); })) return nullptr;
  Py_RETURN_NONE;
}

PyObject* request_metrics(PyObject* module, PyObject*) {
  State* const state = state_of(module);
  if (state == nullptr) return nullptr;
  if (!accessible(*state)) Py_RETURN_NONE;
  return window_dict(state->request_dict, state->host->session().reader());
}

PyObject* metrics_reader(PyObject* module, PyObject* args, PyObject* kwargs) {
  static const char* const keywords[] = {"name", nullptr};
  PyObject* name = Py_None;
  State* const state = state_of(module);
  if (state == nullptr ||
      PyArg_ParseTupleAndKeywords(args, kwargs, "|O:metrics_reader", const_cast<char**>(keywords), &name) == 0) {
    return nullptr;
  }
  return make_metrics_reader(state->metrics_reader_type.ptr(), module, *state->host, state->request_dict, name);
}

/// Casts a function with keyword arguments to the type that a table of methods needs.
template <PyCFunctionWithKeywords function>
PyCFunction with_keywords() {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

PyObject* process_metrics(PyObject* module, PyObject*) {
  State* const state = state_of(module);
  if (state == nullptr) return nullptr;
  if (!accessible(*state)) Py_RETURN_NONE;
  ProcessTotals totals;
  if (!without_gil([&] { totals = state->host->recorder().totals(); })) return nullptr;
  return state->process_dict.build({.pid = ::getpid(), .totals = &totals}).release().ptr();
}

/// Works with an external reporter as well, because it takes nothing from other readers.
PyObject* slow_requests(PyObject* module, PyObject*) {
  State* const state = state_of(module);
  if (state == nullptr) return nullptr;
  std::vector<wsgi::SlowRequest> slow;
  if (!without_gil([&] { slow = state->host->take_slow_requests(); })) return nullptr;
  return list_of(slow.size(),
                 [&](std::size_t i) { return state->slow_request_dict.build({.slow = &slow[i]}).release().ptr(); });
}

PyObject* server_metrics(PyObject* module, PyObject*) {
  const State* const state = state_of(module);
  if (state == nullptr) return nullptr;
  const Scoreboard* const scoreboard = state->host->scoreboard();
  if (scoreboard == nullptr) Py_RETURN_NONE;
  return state->server_dict.build(*scoreboard).release().ptr();
}

PyObject* subscribe_events(PyObject* module, PyObject* callback) {
  State* const state = state_of(module);
  return state == nullptr ? nullptr : state->event_subscribers.add(callback);
}

PyObject* subscribe_shutdown(PyObject* module, PyObject* callback) {
  State* const state = state_of(module);
  return state == nullptr ? nullptr : state->shutdown_subscribers.add(callback);
}

/// Logs a line where no signals are delivered. Returns the callback all the same, because it serves as a decorator.
PyObject* subscribe_signals(PyObject* module, PyObject* callback) {
  State* const state = state_of(module);
  if (state == nullptr) return nullptr;
  if (state->host->delivers_signals()) return state->signal_subscribers.add(callback);
  if (PyCallable_Check(callback) == 0) return state->signal_subscribers.add(callback);  // raises TypeError
  state->host->log_for_request(
      LogLevel::kInfo,
      "SLC0101: subscribe_signals() has no effect here, because only daemon processes that serve requests "
      "deliver signals. The stack of the call follows.");
  for (const std::string& line : stack_of(PyThread_get_thread_ident()))
    state->host->log_for_request(LogLevel::kInfo, line);
  return borrow(callback).release().ptr();
}

/// Makes the lists of subscribers attributes of the module, by which an application can remove a subscriber.
bool add_lists(PyObject* module, const State& state) {
  return PyObject_SetAttrString(module, "event_callbacks", state.event_subscribers.list()) == 0 &&
         PyObject_SetAttrString(module, "shutdown_callbacks", state.shutdown_subscribers.list()) == 0 &&
         PyObject_SetAttrString(module, "signal_callbacks", state.signal_subscribers.list()) == 0;
}

bool make_state(PyObject* module, State& state) {
  state.request_timeout = steal(
      PyErr_NewExceptionWithDoc("mod_wsgi.RequestTimeout", docstrings().request_timeout, PyExc_BaseException, nullptr));
  state.metrics_reader_type = make_metrics_reader_type();
  return state.request_timeout && state.metrics_reader_type && state.request_dict.intern_keys() &&
         state.process_dict.intern_keys() && state.slow_request_dict.intern_keys() && state.server_dict.intern_keys() &&
         state.event_subscribers.create() && state.shutdown_subscribers.create() && state.signal_subscribers.create() &&
         add_lists(module, state) && PyObject_SetAttrString(module, "RequestTimeout", state.request_timeout.ptr()) == 0;
}

int exec(PyObject* module) {
  ModuleStorage& storage = storage_of(module);
  storage.state = ::new (static_cast<void*>(storage.bytes)) State;
  return make_state(module, *storage.state) ? 0 : -1;
}

int traverse(PyObject* module, visitproc visit, void* arg) {
  const auto* const storage = static_cast<ModuleStorage*>(PyModule_GetState(module));
  if (storage == nullptr || storage->state == nullptr) return 0;
  Py_VISIT(storage->state->request_timeout.ptr());
  Py_VISIT(storage->state->metrics_reader_type.ptr());
  if (const int stop = storage->state->event_subscribers.traverse(visit, arg)) return stop;
  if (const int stop = storage->state->signal_subscribers.traverse(visit, arg)) return stop;
  return storage->state->shutdown_subscribers.traverse(visit, arg);
}

int clear(PyObject* module) {
  const auto* const storage = static_cast<ModuleStorage*>(PyModule_GetState(module));
  if (storage == nullptr || storage->state == nullptr) return 0;
  storage->state->event_subscribers.clear();
  storage->state->signal_subscribers.clear();
  storage->state->shutdown_subscribers.clear();
  return 0;
}

void free_state(void* module) {
  auto* const storage = static_cast<ModuleStorage*>(PyModule_GetState(static_cast<PyObject*>(module)));
  if (storage == nullptr || storage->state == nullptr) return;
  std::destroy_at(std::exchange(storage->state, nullptr));
}

PyModuleDef& definition() {
  static std::array<PyMethodDef, 11> methods = {{
      {"start_recording_metrics", start_recording_metrics, METH_NOARGS, docstrings().start_recording_metrics},
      {"request_metrics", request_metrics, METH_NOARGS, docstrings().request_metrics},
      {"process_metrics", process_metrics, METH_NOARGS, docstrings().process_metrics},
      {"metrics_reader", with_keywords<metrics_reader>(), METH_VARARGS | METH_KEYWORDS, docstrings().metrics_reader},
      {"quantile", with_keywords<quantile_of>(), METH_VARARGS | METH_KEYWORDS, docstrings().quantile},
      {"server_metrics", server_metrics, METH_NOARGS, docstrings().server_metrics},
      {"slow_requests", slow_requests, METH_NOARGS, docstrings().slow_requests},
      {"subscribe_events", subscribe_events, METH_O, docstrings().subscribe_events},
      {"subscribe_shutdown", subscribe_shutdown, METH_O, docstrings().subscribe_shutdown},
      {"subscribe_signals", subscribe_signals, METH_O, docstrings().subscribe_signals},
      {nullptr, nullptr, 0, nullptr},
  }};
  static std::array<PyModuleDef_Slot, 4> slots = {{
      {Py_mod_exec, reinterpret_cast<void*>(exec)},
#if PY_VERSION_HEX >= 0x030C0000
      {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
      {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
      {0, nullptr},
  }};
  static PyModuleDef module = {PyModuleDef_HEAD_INIT,
                               "mod_wsgi",
                               docstrings().module,
                               sizeof(ModuleStorage),
                               methods.data(),
                               slots.data(),
                               traverse,
                               clear,
                               free_state};
  return module;
}

bool add_attribute(PyObject* module, const char* name, PyObject* new_reference) {
  const Object value = steal(new_reference);
  return value && PyObject_SetAttrString(module, name, value.ptr()) == 0;
}

PyObject* text(const std::string& value) {
  return PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()), "surrogateescape");
}

}  // namespace

PyObject* init_module() { return PyModuleDef_Init(&definition()); }

bool bind_module(PyObject* module, Host& host, const std::string& application_group) {
  // An import returns the entry of sys.modules, which an application may have replaced.
  const bool is_ours = PyModule_Check(module) != 0 && PyModule_GetDef(module) == &definition();
  const auto* const storage = is_ours ? static_cast<ModuleStorage*>(PyModule_GetState(module)) : nullptr;
  if (storage == nullptr || storage->state == nullptr) {
    PyErr_SetString(PyExc_ImportError, "something else has taken the place of the module mod_wsgi in sys.modules");
    return false;
  }
  storage->state->host = &host;
  return add_attribute(module, "version",
                       Py_BuildValue("(iii)", kInterfaceVersion[0], kInterfaceVersion[1], kInterfaceVersion[2])) &&
         add_attribute(module, "process_group", text(host.process_group())) &&
         add_attribute(module, "application_group", text(application_group)) &&
         add_attribute(module, "maximum_processes", PyLong_FromLong(host.maximum_processes())) &&
         add_attribute(module, "threads_per_process", PyLong_FromLong(host.threads_per_process()));
}

Object make_module(Host& host, const std::string& application_group) {
  const Object machinery = steal(PyImport_ImportModule("importlib.machinery"));
  if (!machinery) return {};
  const Object spec = steal(PyObject_CallMethod(machinery.ptr(), "ModuleSpec", "sO", "mod_wsgi", Py_None));
  if (!spec) return {};
  Object module = steal(PyModule_FromDefAndSpec(&definition(), spec.ptr()));
  if (!module || PyModule_ExecDef(module.ptr(), &definition()) < 0 ||
      !bind_module(module.ptr(), host, application_group)) {
    return {};
  }
  return module;
}

void publish_process_stopping(PyObject* module, const std::string& shutdown_reason) {
  const State* const state = storage_of(module).state;
  const Object event = steal(Py_BuildValue("{s:s}", "shutdown_reason", shutdown_reason.c_str()));
  if (!event) return PyErr_Clear();
  state->event_subscribers.publish("process_stopping", event.ptr(), *state->host);
  state->shutdown_subscribers.publish("process_stopping", event.ptr(), *state->host);
}

void publish_process_signal(PyObject* module, const char* name, int number) {
  const State* const state = storage_of(module).state;
  const Object event = steal(Py_BuildValue("{s:s,s:i}", "signame", name, "signum", number));
  if (!event) return PyErr_Clear();
  state->event_subscribers.publish("process_signal", event.ptr(), *state->host);
  state->signal_subscribers.publish("process_signal", event.ptr(), *state->host);
}

bool has_event_subscribers(PyObject* module) noexcept { return !storage_of(module).state->event_subscribers.empty(); }

void publish_event(PyObject* module, const char* name, PyObject* event) {
  const State& state = *storage_of(module).state;
  const SavedException saved;
  state.event_subscribers.publish(name, event, *state.host);
}

PyObject* request_timeout_type(PyObject* module) noexcept { return storage_of(module).state->request_timeout.ptr(); }

}  // namespace sluice::bindings
