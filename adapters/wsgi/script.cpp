#include "adapters/wsgi/script.hpp"

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

Object compiled(const std::string& path) {
  const Object io = steal(PyImport_ImportModule("io"));
  if (!io) return {};
  const Object file = steal(PyObject_CallMethod(io.ptr(), "open_code", "s", path.c_str()));
  if (!file) return {};
  const Object source = steal(PyObject_CallMethod(file.ptr(), "read", nullptr));
  static_cast<void>(steal(PyObject_CallMethod(file.ptr(), "close", nullptr)));
  if (!source) return {};
  PyErr_Clear();  // of close()
  const Object builtins = steal(PyImport_ImportModule("builtins"));
  if (!builtins) return {};
  // compile() of the bytes, so that an encoding declaration counts.
  return steal(PyObject_CallMethod(builtins.ptr(), "compile", "OssiO", source.ptr(), path.c_str(), "exec", 0, Py_True));
}

/// A module may say for itself that it wants to be loaded again. One that raises does not.
bool wants_reload(PyObject* module, const std::string& path, LogLine log) {
  PyObject* const ask = PyDict_GetItemString(PyModule_GetDict(module), "reload_required");
  if (ask == nullptr) return false;
  const Object answer = steal(PyObject_CallFunction(ask, "s", path.c_str()));
  const int yes = answer ? PyObject_IsTrue(answer.ptr()) : -1;
  if (yes >= 0) return yes == 1;
  log(LogLevel::kError,
      absl::StrCat(bindings::exception_name(), " exception raised by reload_required() of WSGI script '", path, "'."));
  log_traceback(log);
  return false;
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

/// Whether the loaded module may serve. Its own __mtime__ is asked, so that a module can have itself loaded again by
/// deleting it.
bool Scripts::current(const Script& script, const Wanted& wanted, LogLine log) const {
  if (!script.module) return false;
  if (!wanted.reloading) return true;
  PyObject* const modified = PyDict_GetItemString(PyModule_GetDict(script.module.ptr()), kModified);
  if (modified == nullptr || PyLong_AsLongLong(modified) != wanted.mtime_us) {
    PyErr_Clear();
    return false;
  }
  const Object keep = script.module;
  return !wants_reload(keep.ptr(), wanted.path, log);
}

Object Scripts::load(const Wanted& wanted, LogLine log) {
  Script& script = script_at(wanted.path);
  const std::uint64_t loads_seen = script.loads;
  if (current(script, wanted, log)) return script.module;
  PyThreadState* const unlocked = PyEval_SaveThread();
  const std::lock_guard loading(script.loading);
  PyEval_RestoreThread(unlocked);
  const bool loaded_meanwhile = script.module && script.loads != loads_seen;
  return loaded_meanwhile ? script.module : import(script, wanted, log);
}

Object Scripts::import(Script& script, const Wanted& wanted, LogLine log) {
  const bool again = static_cast<bool>(script.module);
  script.module = {};
  log(LogLevel::kInfo, absl::StrCat(again ? "Reloading" : "Loading", " WSGI script '", wanted.path,
                                    "' into application group '", application_group_, "'."));
  PyObject* const modules = PyImport_GetModuleDict();
  if (PyDict_DelItemString(modules, script.module_name.c_str()) < 0) PyErr_Clear();
  const Object code = compiled(wanted.path);
  if (!code) {
    log(LogLevel::kError, absl::StrCat("Could not read or compile WSGI script '", wanted.path, "'."));
    log_traceback(log);
    return {};
  }
  Object module = steal(PyImport_ExecCodeModuleEx(script.module_name.c_str(), code.ptr(), wanted.path.c_str()));
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
