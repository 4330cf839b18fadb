// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/python/script.hpp"

#include <utility>

#include "absl/strings/str_cat.h"
#include "adapters/wsgi/python/forked_copy.hpp"
#include "bindings/gil.hpp"
#include "bindings/traceback.hpp"
#include "sluice/clock.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

constexpr const char* kModified = "__mtime__";

/// Returns the name of a script's module: an FNV-1a hash of its path, so that processes can exchange pickled objects of
/// the module's types.
std::string module_name_of(std::string_view path) {
  std::uint64_t sum = 14695981039346656037U;
  for (const char c : path) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return absl::StrCat("_mod_wsgi_", absl::Hex(sum, absl::kZeroPad16));
}

void log_traceback(LogLine log) {
  for (const std::string& line : bindings::take_traceback()) log(LogLevel::kError, line);
}

/// Whether a module was loaded from the present file. When the request has seen another modification time, checks the
/// file again, because the request may be older than the load. Releases the GIL meanwhile.
bool is_up_to_date(PyObject* modified, const ScriptRequest& request) {
  const std::int64_t loaded_us = PyLong_AsLongLong(modified);
  if (PyErr_Occurred() != nullptr) return false;
  if (loaded_us == request.mtime_us) return true;
  const bindings::WithoutGil released;
  return loaded_us == modified_us(request.path);
}

}  // namespace

Scripts::Script& Scripts::script_at(const std::string& path) {
  const bindings::CriticalSection section(mutex_);
  std::unique_ptr<Script>& script = scripts_[path];
  if (!script) {
    script = std::make_unique<Script>();
    script->module_name = module_name_of(path);
  }
  return *script;
}

Scripts::State Scripts::state_of(const Script& script) const {
  const bindings::CriticalSection section(mutex_);
  return {.module = script.module, .began_ns = script.began_ns, .loads = script.loads};
}

/// Calls reload_required() of a module, if it has one, with the file of the request. An exception counts as False.
bool Scripts::wants_reload(PyObject* module, const ScriptRequest& request, LogLine log) const {
  const Object ask = names_.in_module(module, "reload_required");
  if (!ask) return false;
  const Object name = file_name(request.resource.empty() ? request.path : request.resource);
  const Object answer = name ? steal(PyObject_CallFunctionObjArgs(ask.ptr(), name.ptr(), nullptr)) : Object();
  const int yes = answer ? PyObject_IsTrue(answer.ptr()) : -1;
  ForkedCopy::end_if_this();
  if (yes >= 0) return yes == 1;
  log(LogLevel::kError,
      absl::StrCat("SLC0110: reload_required() of WSGI script '", request.path, "' raised ", bindings::exception_name(),
                   "; the loaded script stays in use. Traceback follows."));
  log_traceback(log);
  return false;
}

/// Whether a loaded module serves the request; if not, the script has to be loaded. Reads __mtime__ of the module, so
/// that a module can request to be loaded again by deleting it. Other threads may run meanwhile and load the script.
bool Scripts::is_current(const State& script, const ScriptRequest& request, LogLine log) const {
  if (request.on_change == ScriptRequest::OnChange::kServe) return true;
  PyObject* const module = script.module.ptr();
  const Object modified = names_.in_module(module, kModified);
  if (!modified || !is_up_to_date(modified.ptr(), request)) {
    PyErr_Clear();
    return false;
  }
  return script.began_ns >= request.ask_before_ns || !wants_reload(module, request, log);
}

Scripts::Loaded Scripts::found(Object module, const ScriptRequest& request) {
  if (request.listener != nullptr) request.listener->loaded();
  return {.module = std::move(module)};
}

Scripts::Loaded Scripts::load(const ScriptRequest& request, LogLine log) {
  Script& script = script_at(request.path);
  State seen = state_of(script);
  if (seen.module && is_current(seen, request, log)) return found(std::move(seen.module), request);
  if (seen.module && request.on_change == ScriptRequest::OnChange::kLeave) return {.module = {}, .outdated = true};
  std::unique_lock loading(script.loading, std::defer_lock);
  {
    const bindings::WithoutGil released;
    loading.lock();
  }
  State now = state_of(script);
  const bool loaded_meanwhile = now.module && now.loads != seen.loads;
  if (loaded_meanwhile) return found(std::move(now.module), request);
  return import(script, request, log);
}

/// Runs the code of a script in a new module. Fails when the script replaces its module in sys.modules by an object of
/// another type, because that has no globals in which the application could be found.
Object Scripts::execute(const Script& script, const ScriptRequest& request, PyObject* code, LogLine log) const {
  const Object path = file_name(request.path);
  const Object name = path ? steal(PyUnicode_FromString(script.module_name.c_str())) : Object();
  Object module = name ? steal(PyImport_ExecCodeModuleObject(name.ptr(), code, path.ptr(), nullptr)) : Object();
  ForkedCopy::end_if_this();
  if (module && PyModule_Check(module.ptr()) == 0) {
    PyErr_Format(PyExc_TypeError,
                 "the script has put an object of type %.200s in the place of its module in sys.modules",
                 Py_TYPE(module.ptr())->tp_name);
    module = {};
  }
  if (!module && request.may_exit && PyErr_ExceptionMatches(PyExc_SystemExit) != 0) {
    log(LogLevel::kInfo, absl::StrCat("SLC0955: script '", request.path, "' has ended with SystemExit"));
    PyErr_Clear();
  } else if (!module) {
    log(LogLevel::kError, absl::StrCat("SLC0111: WSGI script '", request.path, "' raised ", bindings::exception_name(),
                                       " while it was loaded; the next request loads it again. Traceback follows."));
    log_traceback(log);
  }
  return module;
}

/// Sets the module of a script, and counts a load if there is one. Returns the one before.
Object Scripts::replace_module(Script& script, Object module, std::uint64_t began_ns) {
  const bindings::CriticalSection section(mutex_);
  if (module) ++script.loads;
  script.began_ns = began_ns;
  return std::exchange(script.module, std::move(module));
}

Scripts::Loaded Scripts::import(Script& script, const ScriptRequest& request, LogLine log) {
  if (request.listener != nullptr) request.listener->loading();
  const std::uint64_t began_ns = monotonic_ns();
  // The old module ends outside of the section, because that may run its code.
  const bool is_reload = static_cast<bool>(replace_module(script, {}, began_ns));
  if (is_reload) {
    log(LogLevel::kInfo, absl::StrCat("SLC0116: Reloading WSGI script '", request.path, "' into application group '",
                                      application_group_, "'."));
  } else {
    log(LogLevel::kInfo, absl::StrCat("SLC0112: Loading WSGI script '", request.path, "' into application group '",
                                      application_group_, "'."));
  }
  PyObject* const modules = PyImport_GetModuleDict();
  if (PyDict_DelItemString(modules, script.module_name.c_str()) < 0) PyErr_Clear();
  const ScriptCode compiled = compile_script(request.path, owner_);
  if (!compiled.forbidden.empty()) {
    log(LogLevel::kError, absl::StrCat("SLC0113: WSGI script '", request.path, "' is not loaded: ", compiled.forbidden,
                                       ". Requests for it are answered with 403 until that changes."));
    return {.module = {}, .forbidden = true};
  }
  if (!compiled.code) {
    log(LogLevel::kError,
        absl::StrCat("SLC0114: WSGI script '", request.path,
                     "' could not be read or compiled; its requests are answered with 500. Traceback follows."));
    log_traceback(log);
    return {};
  }
  Object module = execute(script, request, compiled.code.ptr(), log);
  if (!module) return {};
  const Object modified = steal(PyLong_FromLongLong(compiled.mtime_us));
  if (!modified || PyModule_AddObjectRef(module.ptr(), kModified, modified.ptr()) < 0) PyErr_Clear();
  static_cast<void>(replace_module(script, module, began_ns));
  return found(std::move(module), request);
}

}  // namespace sluice::wsgi
