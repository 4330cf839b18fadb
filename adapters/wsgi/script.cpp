#include "adapters/wsgi/script.hpp"

#include <utility>

#include "absl/strings/str_cat.h"
#include "bindings/traceback.hpp"

namespace sluice::wsgi {

using bindings::LogLevel;
using bindings::Object;
using bindings::steal;

namespace {

constexpr const char* kModified = "__mtime__";

/// The same in every process, so that what a script's module defines can be pickled in one and read in another. FNV-1a.
std::string module_name_of(std::string_view path) {
  std::uint64_t sum = 14695981039346656037U;
  for (const char c : path) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return absl::StrCat("_mod_wsgi_", absl::Hex(sum, absl::kZeroPad16));
}

void log_traceback(LogLine log) {
  for (const std::string& line : bindings::take_traceback()) log(LogLevel::kError, line);
}

/// A file name as Python has it, whatever its bytes.
Object file_name(const std::string& path) {
  return steal(PyUnicode_DecodeFSDefaultAndSize(path.data(), static_cast<Py_ssize_t>(path.size())));
}

Object compiled(PyObject* path) {
  const Object io = steal(PyImport_ImportModule("io"));
  if (!io) return {};
  const Object file = steal(PyObject_CallMethod(io.ptr(), "open_code", "O", path));
  if (!file) return {};
  const Object source = steal(PyObject_CallMethod(file.ptr(), "read", nullptr));
  if (!source) return {};
  if (!steal(PyObject_CallMethod(file.ptr(), "close", nullptr))) PyErr_Clear();
  const Object builtins = steal(PyImport_ImportModule("builtins"));
  if (!builtins) return {};
  // compile() of the bytes, so that an encoding declaration counts.
  return steal(PyObject_CallMethod(builtins.ptr(), "compile", "OOsiO", source.ptr(), path, "exec", 0, Py_True));
}

}  // namespace

Scripts::Script& Scripts::script_at(const std::string& path) {
  std::unique_ptr<Script>& script = scripts_[path];
  if (!script) {
    script = std::make_unique<Script>();
    script->module_name = module_name_of(path);
  }
  return *script;
}

/// A module may say for itself that it wants to be loaded again. One that raises does not.
bool Scripts::wants_reload(PyObject* module, const std::string& path, LogLine log) const {
  const Object ask = names_.in_module(module, "reload_required");
  if (!ask) return false;
  const Object name = file_name(path);
  const Object answer = name ? steal(PyObject_CallFunctionObjArgs(ask.ptr(), name.ptr(), nullptr)) : Object();
  const int yes = answer ? PyObject_IsTrue(answer.ptr()) : -1;
  if (yes >= 0) return yes == 1;
  log(LogLevel::kError,
      absl::StrCat(bindings::exception_name(), " exception raised by reload_required() of WSGI script '", path, "'."));
  log_traceback(log);
  return false;
}

/// The loaded module if it may serve, else null. Its own __mtime__ is asked, so that a module can have itself loaded
/// again by deleting it. Asking it may let other threads run, who may load the script again meanwhile.
Object Scripts::current(const Script& script, const Wanted& wanted, LogLine log) const {
  const Object module = script.module;
  if (!module || wanted.on_change == OnChange::kServe) return module;
  const Object modified = names_.in_module(module.ptr(), kModified);
  if (!modified || PyLong_AsLongLong(modified.ptr()) != wanted.mtime_us) {
    PyErr_Clear();
    return {};
  }
  return wanted.ask_module && wants_reload(module.ptr(), wanted.path, log) ? Object() : module;
}

Scripts::Loaded Scripts::load(const Wanted& wanted, LogLine log) {
  Script& script = script_at(wanted.path);
  const std::uint64_t loads_seen = script.loads;
  if (Object module = current(script, wanted, log)) return {.module = std::move(module)};
  if (script.module && wanted.on_change == OnChange::kLeave) return {.module = {}, .outdated = true};
  PyThreadState* const unlocked = PyEval_SaveThread();
  const std::lock_guard loading(script.loading);
  PyEval_RestoreThread(unlocked);
  const bool loaded_meanwhile = script.module && script.loads != loads_seen;
  return {.module = loaded_meanwhile ? script.module : import(script, wanted, log)};
}

Object Scripts::import(Script& script, const Wanted& wanted, LogLine log) {
  const bool again = static_cast<bool>(script.module);
  script.module = {};
  log(LogLevel::kInfo, absl::StrCat(again ? "Reloading" : "Loading", " WSGI script '", wanted.path,
                                    "' into application group '", application_group_, "'."));
  PyObject* const modules = PyImport_GetModuleDict();
  if (PyDict_DelItemString(modules, script.module_name.c_str()) < 0) PyErr_Clear();
  const Object path = file_name(wanted.path);
  const Object code = path ? compiled(path.ptr()) : Object();
  if (!code) {
    log(LogLevel::kError, absl::StrCat("Could not read or compile WSGI script '", wanted.path, "'."));
    log_traceback(log);
    return {};
  }
  const Object name = steal(PyUnicode_FromString(script.module_name.c_str()));
  Object module = name ? steal(PyImport_ExecCodeModuleObject(name.ptr(), code.ptr(), path.ptr(), nullptr)) : Object();
  if (!module) {
    log(LogLevel::kError,
        absl::StrCat(bindings::exception_name(), " exception raised when WSGI script '", wanted.path, "' was loaded."));
    log_traceback(log);
    return {};
  }
  const Object modified = steal(PyLong_FromLongLong(wanted.mtime_us));
  if (!modified || PyModule_AddObjectRef(module.ptr(), kModified, modified.ptr()) < 0) PyErr_Clear();
  script.module = module;
  ++script.loads;
  return module;
}

}  // namespace sluice::wsgi
