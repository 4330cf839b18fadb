// Python in one process: started once, its interpreters made on demand, ended in order.
#pragma once

#include <Python.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "adapters/wsgi/process/interpreter.hpp"
#include "adapters/wsgi/process/log_limit.hpp"
#include "adapters/wsgi/process/thread.hpp"
#include "adapters/wsgi/python/forked_copy.hpp"
#include "bindings/host.hpp"

namespace sluice::wsgi {

class Runtime {
 public:
  struct Options {
    std::string program;  ///< The interpreter that libpython belongs to: where its library is found from.
    std::string home;     ///< A prefix, prefix:exec_prefix or a virtual environment; empty: by program.
    std::vector<std::string> python_path;  ///< In front of sys.path of every interpreter.
    int optimize = 0;                      ///< As -O given so many times.
    bool own_gil = false;                  ///< Each sub-interpreter has a lock of its own. From Python 3.12 on.
    ScriptOwnerRule script_owner = {};     ///< The required owner of the scripts that are loaded.

    static constexpr std::size_t kInterpreterLimit = 1024;
    /// Sub-interpreters from which on no request has another one made, unless its group cannot be chosen by a client:
    /// see interpreter().
    std::size_t interpreter_limit = kInterpreterLimit;
    std::vector<std::string> application_groups = {};  ///< Those that the configuration names.
  };

  /// Whether this version of Python can give a sub-interpreter a lock of its own.
  [[nodiscard]] static constexpr bool has_own_gil() noexcept { return PY_VERSION_HEX >= 0x030C0000; }

  /// `host` outlives the runtime.
  Runtime(Options options, bindings::Host& host) : options_(std::move(options)), host_(host) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Starts Python and the main interpreter, on a thread that stays until stop(), whose context is `thread`. An error
  /// has been logged.
  [[nodiscard]] absl::Status start(ThreadContext& thread);

  /// Publishes process_stopping to every interpreter, ends their threads and runs their exit handlers, then finalises.
  /// On the thread that started it, whose context is detached first. Blocks as long as the application's own threads
  /// take to end.
  void stop(const std::string& reason, ThreadContext& thread);

  /// True between start() and the end of stop().
  [[nodiscard]] bool running() const noexcept { return running_.load(std::memory_order_acquire); }

  /// The main interpreter. Null before start() and after an error of it.
  [[nodiscard]] Interpreter* main_interpreter() noexcept { return main_.get(); }

  /// The interpreter of an application group for a script, made if need be. An error has been logged. ResourceExhausted
  /// once there are as many as the limit: then only groups that the configuration names, and the first group of each
  /// script, have one made. Clients can choose neither, so they cannot keep a script from being served, and the number
  /// stays bounded by the limit, the configuration and the script files. Without any interpreter's lock. A thread takes
  /// a lock for a group only the first time; it waits then for whoever makes one.
  [[nodiscard]] absl::StatusOr<Interpreter*> interpreter(const std::string& name, const std::string& script,
                                                         ThreadContext& thread);

  /// Loads a script into an application group, outside any request. Errors are logged.
  void import_script(const std::string& application_group, const std::string& path, ThreadContext& thread);

  /// Publishes process_signal to every interpreter, on the calling thread.
  void publish_signal(const char* name, int number, ThreadContext& thread);

  /// Where a thread is in Python, by its identifier, in whichever interpreter; empty if it is in none. Blocks until
  /// each interpreter that has to be asked gives up its lock.
  [[nodiscard]] std::vector<std::string> stack_of(unsigned long thread_id, ThreadContext& thread);

  [[nodiscard]] bindings::Host& host() noexcept { return host_; }

 private:
  [[nodiscard]] absl::Status initialize();
  [[nodiscard]] std::vector<Interpreter*> all_interpreters();
  [[nodiscard]] bool finalizable(const std::vector<Interpreter*>& all);
  void finalize();
  void abandon() noexcept;
  [[nodiscard]] std::unique_ptr<Interpreter> make_sub_interpreter(const std::string& name, ThreadContext& thread);
  [[nodiscard]] bool may_make(const std::string& name, const std::string& script) const;
  void log_refusal(const std::string& name) noexcept;

  Options options_;
  bindings::Host& host_;
  std::atomic<bool> running_{false};
  std::mutex mutex_;  ///< Guards the map. Never waited for with an interpreter's lock held.
  std::unique_ptr<Interpreter> main_;
  absl::flat_hash_map<std::string, std::unique_ptr<Interpreter>> others_;
  absl::flat_hash_set<std::string> scripts_;  ///< Paths for which an interpreter has been made.
  LogLimit refusals_;
};

/// The lock of an interpreter for a scope, on a thread that serves requests.
class WithGil {
 public:
  explicit WithGil(PyThreadState* state) noexcept { PyEval_RestoreThread(state); }
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;
  /// Ends a copy of the process that code of the application has made: see ForkedCopy.
  ~WithGil() {
    ForkedCopy::end_if_this();
    PyEval_SaveThread();
  }
};

}  // namespace sluice::wsgi
