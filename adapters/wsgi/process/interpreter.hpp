// SPDX-License-Identifier: Apache-2.0
// One Python interpreter, which is the main interpreter or the sub-interpreter of an application group.
#pragma once

#include <Python.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "adapters/wsgi/process/collection_hook.hpp"
#include "adapters/wsgi/process/module_attributes.hpp"
#include "adapters/wsgi/python/apache_module.hpp"
#include "adapters/wsgi/python/interpreter_objects.hpp"
#include "adapters/wsgi/python/script.hpp"
#include "adapters/wsgi/python/signal_guard.hpp"
#include "bindings/host.hpp"

namespace sluice::wsgi {

class Interpreter {
 public:
  struct Options {
    std::string name;                      ///< Empty for the main interpreter.
    std::vector<std::string> python_path;  ///< Directories for the front of sys.path.
    std::string home;                      ///< Directory that is the first of sys.path; empty for none.
    double switch_interval = 0.0;          ///< Switch interval of its GIL in seconds; 0 keeps Python's default.
    bool restrict_stdin = false;           ///< Use of sys.stdin raises OSError.
    bool restrict_stdout = false;          ///< Use of sys.stdout raises OSError.
    ScriptOwnerRule script_owner = {};     ///< Required owner of the scripts that it loads.
    SignalPolicy signals = {};
    ApacheFacts server = {};                          ///< Attributes of the module `apache`.
    telemetry::CollectionLog* collections = nullptr;  ///< Log of garbage collections; null without a reporter.
  };

  /// Sets up the interpreter whose thread state is current. Returns null after an error, which has been logged.
  [[nodiscard]] static std::unique_ptr<Interpreter> create(const Options& options, bindings::Host& host);

  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] PyInterpreterState* state() const noexcept { return state_; }
  [[nodiscard]] InterpreterObjects& objects() noexcept { return objects_; }
  [[nodiscard]] Scripts& scripts() noexcept { return scripts_; }
  [[nodiscard]] CollectionHook& collections() noexcept { return collections_; }

  /// Returns the thread state that created the interpreter. It serves to end the interpreter, and nothing else.
  [[nodiscard]] PyThreadState* owner() const noexcept { return owner_; }

  /// Publishes process_stopping. The caller holds the GIL.
  void publish_stopping(const std::string& reason);

  /// Joins the non-daemon threads, then runs the atexit callbacks, as Python does at its exit. Blocks until they end.
  /// The caller holds the GIL.
  void run_exit_handlers(const bindings::Host& host);

  /// Returns true when no thread except owner() has a thread state in the interpreter. The caller holds the GIL.
  [[nodiscard]] bool has_no_other_threads() const noexcept;

  /// Drops all references, before the interpreter is finalized. The caller holds the GIL.
  void clear() noexcept;

 private:
  explicit Interpreter(const Options& options);
  [[nodiscard]] bool initialize(const Options& options, bindings::Host& host);

  std::string name_;
  PyThreadState* owner_;
  PyInterpreterState* state_;
  InterpreterObjects objects_;
  ModuleContext module_context_;
  CollectionHook collections_;
  Scripts scripts_;
};

}  // namespace sluice::wsgi
