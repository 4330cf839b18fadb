// One Python interpreter: the main one or a sub-interpreter, named for its application group, with what requests need
// of it made once.
#pragma once

#include <Python.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "adapters/wsgi/python/interpreter_objects.hpp"
#include "adapters/wsgi/python/script.hpp"
#include "bindings/host.hpp"

namespace sluice::wsgi {

class Interpreter {
 public:
  struct Options {
    std::string name;                      ///< Empty for the main interpreter.
    std::vector<std::string> python_path;  ///< In front of sys.path.
    ScriptOwnerRule script_owner = {};     ///< Of the scripts that it loads.
  };

  /// Sets up the interpreter whose thread state is current. Returns null after an error, which has been logged.
  [[nodiscard]] static std::unique_ptr<Interpreter> create(Options options, bindings::Host& host);

  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] PyInterpreterState* state() const noexcept { return state_; }
  [[nodiscard]] InterpreterObjects& objects() noexcept { return objects_; }
  [[nodiscard]] Scripts& scripts() noexcept { return scripts_; }

  /// The thread state that made the interpreter. It is used to end it, and for nothing else.
  [[nodiscard]] PyThreadState* owner() const noexcept { return owner_; }

  /// Publishes process_stopping. With the lock.
  void publish_stopping(const std::string& reason);

  /// Ends what runs in it as Python does at its exit: joins threads that are no daemons, then runs atexit callbacks.
  /// With the lock; blocks as long as they do.
  void run_exit_handlers(const bindings::Host& host);

  /// Returns true when no thread except owner() has a thread state in the interpreter. The caller holds the GIL.
  [[nodiscard]] bool has_no_other_threads() const noexcept;

  /// Drops every reference before the interpreter is finalised. With the lock.
  void clear() noexcept;

 private:
  explicit Interpreter(const Options& options);
  [[nodiscard]] bool initialize(const Options& options, bindings::Host& host);

  std::string name_;
  PyThreadState* owner_;
  PyInterpreterState* state_;
  InterpreterObjects objects_;
  Scripts scripts_;
};

}  // namespace sluice::wsgi
