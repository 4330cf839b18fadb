// WSGI script files as modules of one interpreter: loaded when first needed, and again when they change.
#pragma once

#include <Python.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "adapters/wsgi/names.hpp"
#include "bindings/host.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Where to report: a request's log or the server's.
using LogLine = absl::FunctionRef<void(bindings::LogLevel level, std::string_view line)>;

/// All members are called with the lock of the interpreter held.
class Scripts {
 public:
  struct Wanted {
    std::string path;
    std::int64_t mtime_us = 0;  ///< Of the file now.
    bool reloading = true;      ///< Load again if the file's time is another than when it was loaded.
  };

  Scripts(std::string application_group, Names& names)
      : application_group_(std::move(application_group)), names_(names) {}

  /// The module of a script; null after an error, which has been logged. Threads that want a script which another is
  /// loading wait for it, without the lock.
  [[nodiscard]] bindings::Object load(const Wanted& wanted, LogLine log);

  void clear() noexcept { scripts_.clear(); }

 private:
  struct Script {
    std::string module_name;
    std::mutex loading;  ///< Taken without the lock of the interpreter, which loading needs.
    bindings::Object module;
    std::uint64_t loads = 0;
  };

  [[nodiscard]] Script& script_at(const std::string& path);
  [[nodiscard]] bindings::Object current(const Script& script, const Wanted& wanted, LogLine log) const;
  [[nodiscard]] bool wants_reload(PyObject* module, const std::string& path, LogLine log) const;
  [[nodiscard]] bindings::Object import(Script& script, const Wanted& wanted, LogLine log);

  std::string application_group_;
  Names& names_;
  absl::flat_hash_map<std::string, std::unique_ptr<Script>> scripts_;
};

}  // namespace sluice::wsgi
