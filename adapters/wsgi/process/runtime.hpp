// SPDX-License-Identifier: Apache-2.0
// Python in one process: its start, the interpreters of the application groups, and its end.
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
#include "adapters/wsgi/process/interpreter_rules.hpp"
#include "adapters/wsgi/process/interruptible.hpp"
#include "adapters/wsgi/process/log_limit.hpp"
#include "adapters/wsgi/process/thread.hpp"
#include "bindings/host.hpp"

namespace sluice::wsgi {

class Runtime {
 public:
  struct Options {
    std::string program;           ///< Path of the interpreter, from which Python finds its library.
    std::string home;              ///< A prefix, prefix:exec_prefix or a virtual environment; empty to go by `program`.
    std::string script_home = {};  ///< Directory that is the first of sys.path; empty for none.
    std::string egg_cache = {};    ///< Value of PYTHON_EGG_CACHE; empty for that of the environment.
    std::string hash_seed = {};    ///< A number or "random"; empty for that of the environment.
    std::vector<std::string> warnings = {};  ///< Filters of warnings, as for python -W.
    int optimize = 0;                        ///< How often -O would be given on a command line.
    bool free_threading = false;             ///< Run without a GIL, if Python can.
    bool write_bytecode = true;              ///< Whether modules are cached in files.
    bool finalize = true;                    ///< Whether stop() runs exit handlers and ends Python.
    InterpreterRules interpreters = {};      ///< Settings that can differ between interpreters.
    ScriptOwnerRule script_owner = {};       ///< Required owner of every script.
    SignalPolicy signals = {};
    ApacheFacts server = {};        ///< Attributes of the module `apache`.
    bool logs_collections = false;  ///< Whether garbage collections are logged for the external reporter.

    static constexpr std::size_t kInterpreterLimit = 1024;
    /// Number of sub-interpreters from which on interpreter() creates no more for names that clients can choose.
    std::size_t interpreter_limit = kInterpreterLimit;
    std::vector<std::string> application_groups = {};  ///< The groups that the configuration names.
  };

  /// Whether this version of Python can give a sub-interpreter its own GIL.
  [[nodiscard]] static constexpr bool has_own_gil() noexcept { return PY_VERSION_HEX >= 0x030C0000; }

  /// Whether Python can run without a GIL.
  [[nodiscard]] static constexpr bool has_free_threading() noexcept { return kFreeThreading; }

  /// `host` outlives the runtime.
  Runtime(Options options, bindings::Host& host)
      : options_(std::move(options)),
        host_(host),
        collections_(options_.logs_collections ? new telemetry::CollectionLogs : nullptr) {}
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Starts Python and sets up the main interpreter. The calling thread, whose context is `thread`, must exist until
  /// stop(). Errors are also logged.
  [[nodiscard]] absl::Status start(ThreadContext& thread);

  /// Publishes process_stopping to every interpreter, joins their threads, runs their exit handlers, and finalizes
  /// Python. Called on the thread that called start(); ends its context. Blocks until the application's own threads
  /// end.
  void stop(const std::string& reason, ThreadContext& thread);

  /// True between start() and the end of stop().
  [[nodiscard]] bool running() const noexcept { return running_.load(std::memory_order_acquire); }

  /// Returns the main interpreter; null before start() and after a failed start().
  [[nodiscard]] Interpreter* main_interpreter() noexcept { return main_.get(); }

  /// Returns the interpreter of an application group, for a request for `script`, and creates it when there is none.
  /// Errors are also logged. Returns ResourceExhausted when the limit is reached. From then on, interpreters are
  /// created only for groups that the configuration names and for the first group of each script. Clients can choose
  /// neither, so they cannot keep a script from being served, and the number of interpreters stays bounded. The caller
  /// holds no GIL. A thread takes a mutex for a group only the first time, and then waits for other threads that create
  /// interpreters.
  [[nodiscard]] absl::StatusOr<Interpreter*> interpreter(const std::string& name, const std::string& script,
                                                         ThreadContext& thread) {
    if (Interpreter* const remembered = thread.find_interpreter(name)) return remembered;
    return find_or_create(name, script, thread);
  }

  /// Loads a script into an application group outside of any request. Returns false after an error, which is logged. A
  /// script with a `service` may end with SystemExit, and is inside an interpreter for end_script() while it runs.
  bool import_script(const std::string& application_group, const std::string& path, ThreadContext& thread,
                     Interruptible* service = nullptr);

  /// Raises SystemExit in the script that import_script() runs with `target` on another thread, if it runs. Blocks
  /// until the interpreter releases its GIL.
  void end_script(Interruptible& target, unsigned long thread_id, ThreadContext& thread);

  /// Returns true when threads other than the calling one have a thread state in an interpreter. The caller holds no
  /// GIL.
  [[nodiscard]] bool has_other_threads();

  /// Publishes process_signal to every interpreter, on the calling thread.
  void publish_signal(const char* name, int number, ThreadContext& thread);

  /// Returns the Python stack of a thread, given its identifier, from the interpreter that the thread runs in; empty
  /// when it runs in none. Blocks until each interpreter that it asks releases its GIL.
  [[nodiscard]] std::vector<std::string> stack_of(unsigned long thread_id, ThreadContext& thread);

  /// Raises RequestTimeout in the request that a worker thread began at `request_ns`, and returns the stack that it
  /// had. Returns nothing when the request is in no interpreter any more. Blocks until the interpreter releases its
  /// GIL.
  [[nodiscard]] std::vector<std::string> interrupt(Interruptible& target, std::uint64_t request_ns,
                                                   unsigned long thread_id, ThreadContext& thread);

  [[nodiscard]] bindings::Host& host() noexcept { return host_; }

  /// Returns the logs of garbage collections, which are never destroyed; null when there are none.
  [[nodiscard]] telemetry::CollectionLogs* collections() noexcept { return collections_; }

 private:
#ifdef Py_GIL_DISABLED
  static constexpr bool kFreeThreading = true;
#else
  static constexpr bool kFreeThreading = false;
#endif

  void check_home() const;
  [[nodiscard]] absl::Status initialize();
  [[nodiscard]] std::unique_ptr<Interpreter> create_current(const std::string& name);
  [[nodiscard]] std::unique_ptr<Interpreter> create_sub_interpreter(const std::string& name, ThreadContext& thread);
  /// Implements interpreter() for a thread that does not know the interpreter, and has it remembered.
  [[nodiscard]] absl::StatusOr<Interpreter*> find_or_create(const std::string& name, const std::string& script,
                                                            ThreadContext& thread);
  [[nodiscard]] bool may_create(const std::string& name, const std::string& script) const;
  void log_refusal(const std::string& name) noexcept;
  [[nodiscard]] bool has_other_frames();
  [[nodiscard]] std::vector<Interpreter*> all_interpreters();
  [[nodiscard]] bool finalizable(const std::vector<Interpreter*>& all);
  void finalize();
  void abandon() noexcept;
  void drop_gil_settings(const std::string& name, InterpreterSettings& settings) const;

  Options options_;
  bindings::Host& host_;
  telemetry::CollectionLogs* const collections_;  ///< Not owned, because a reporter may outlive the runtime.
  std::atomic<bool> running_{false};
  std::mutex mutex_;  ///< Guards others_ and scripts_. A thread that waits for it holds no GIL.
  std::unique_ptr<Interpreter> main_;
  absl::flat_hash_map<std::string, std::unique_ptr<Interpreter>> others_;
  absl::flat_hash_set<std::string> scripts_;  ///< Paths of scripts for which an interpreter has been created.
  LogLimit refusals_;
};

}  // namespace sluice::wsgi
