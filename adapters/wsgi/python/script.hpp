// WSGI script files as modules of one interpreter: loaded when first needed, and again when they change.
#pragma once

#include <Python.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "adapters/wsgi/python/names.hpp"
#include "adapters/wsgi/python/script_file.hpp"
#include "adapters/wsgi/python/script_request.hpp"
#include "bindings/host.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Where to report: a request's log or the server's.
using LogLine = absl::FunctionRef<void(LogLevel level, std::string_view line)>;

/// All members are called with the lock of the interpreter held.
class Scripts {
 public:
  struct Loaded {
    bindings::Object module;  ///< Null after an error, which has been logged, and for what is outdated.
    bool outdated = false;    ///< With kLeave: it has changed.
    bool forbidden = false;   ///< The file is not one that the process may run.
  };

  Scripts(std::string application_group, ScriptOwnerRule owner, Names& names)
      : application_group_(std::move(application_group)), owner_(owner), names_(names) {}

  /// The module of a script. Threads that want a script which another is loading wait for it, without the lock.
  [[nodiscard]] Loaded load(const ScriptRequest& request, LogLine log);

  void clear() noexcept { scripts_.clear(); }

 private:
  struct Script {
    std::string module_name;
    std::mutex loading;  ///< Taken without the lock of the interpreter, which loading needs.
    bindings::Object module;
    std::uint64_t loads = 0;
  };

  [[nodiscard]] Script& script_at(const std::string& path);
  [[nodiscard]] bindings::Object current(const Script& script, const ScriptRequest& request, LogLine log) const;
  [[nodiscard]] bool wants_reload(PyObject* module, const std::string& path, LogLine log) const;
  [[nodiscard]] Loaded import(Script& script, const ScriptRequest& request, LogLine log);
  [[nodiscard]] bindings::Object execute(const Script& script, const ScriptRequest& request, PyObject* code,
                                         LogLine log) const;

  std::string application_group_;
  ScriptOwnerRule owner_;
  Names& names_;
  absl::flat_hash_map<std::string, std::unique_ptr<Script>> scripts_;
};

}  // namespace sluice::wsgi
