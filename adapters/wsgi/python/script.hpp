// SPDX-License-Identifier: Apache-2.0
// WSGI scripts as modules of one interpreter: loaded on first use, and again when their files change.
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
#include "bindings/critical_section.hpp"
#include "bindings/host.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Writes one line to the log of a request, or to that of the server.
using LogLine = absl::FunctionRef<void(LogLevel level, std::string_view line)>;

/// The caller of each member holds the GIL of the interpreter.
class Scripts {
 public:
  struct Loaded {
    bindings::Object module;  ///< Null after an error, which has been logged, and when one of the others is true.
    bool outdated = false;    ///< True if the script has changed (kLeave only).
    bool forbidden = false;   ///< The process must not run the file; logged.
  };

  Scripts(std::string application_group, ScriptOwnerRule owner, Names& names)
      : application_group_(std::move(application_group)), owner_(owner), names_(names) {}

  /// Returns the module of a script and loads it if needed. A thread waits, without the GIL, while another thread loads
  /// the same script.
  [[nodiscard]] Loaded load(const ScriptRequest& request, LogLine log);

  void clear() noexcept { scripts_.clear(); }

 private:
  struct Script {
    std::string module_name;
    std::mutex loading;  ///< A thread that waits for it holds no GIL, because loading needs the GIL.
    bindings::Object module;
    std::uint64_t began_ns = 0;  ///< Instant at which loading the module began.
    std::uint64_t loads = 0;
  };
  /// A script at one instant.
  struct State {
    bindings::Object module;
    std::uint64_t began_ns;
    std::uint64_t loads;
  };

  [[nodiscard]] Script& script_at(const std::string& path);
  [[nodiscard]] State state_of(const Script& script) const;
  [[nodiscard]] bool is_current(const State& script, const ScriptRequest& request, LogLine log) const;
  [[nodiscard]] bool wants_reload(PyObject* module, const ScriptRequest& request, LogLine log) const;
  [[nodiscard]] static Loaded found(bindings::Object module, const ScriptRequest& request);
  [[nodiscard]] bindings::Object replace_module(Script& script, bindings::Object module, std::uint64_t began_ns);
  [[nodiscard]] Loaded import(Script& script, const ScriptRequest& request, LogLine log);
  [[nodiscard]] bindings::Object execute(const Script& script, const ScriptRequest& request, PyObject* code,
                                         LogLine log) const;

  std::string application_group_;
  ScriptOwnerRule owner_;
  Names& names_;
  absl::flat_hash_map<std::string, std::unique_ptr<Script>> scripts_;
  /// Guards scripts_, and the modules and counts in it, as the GIL does where there is one.
  [[no_unique_address]] mutable bindings::SectionMutex mutex_;
};

}  // namespace sluice::wsgi
