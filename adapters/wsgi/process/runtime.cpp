// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/process/runtime.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "adapters/wsgi/python/forked_copy.hpp"
#include "adapters/wsgi/python/gil.hpp"
#include "bindings/module.hpp"
#include "bindings/traceback.hpp"

namespace sluice::wsgi {

using bindings::Object;

namespace {

/// Owns a PyConfig.
class Config {
 public:
  Config() noexcept { PyConfig_InitPythonConfig(&config_); }
  Config(const Config&) = delete;
  Config& operator=(const Config&) = delete;
  ~Config() { PyConfig_Clear(&config_); }

  [[nodiscard]] PyConfig* operator->() noexcept { return &config_; }

  [[nodiscard]] absl::Status set(wchar_t** member, const std::string& text) {
    return checked(PyConfig_SetBytesString(&config_, member, text.c_str()));
  }

  [[nodiscard]] absl::Status append(PyWideStringList& list, const std::string& text) {
    wchar_t* const decoded = Py_DecodeLocale(text.c_str(), nullptr);
    if (decoded == nullptr) return absl::InvalidArgumentError("a text of the configuration cannot be decoded");
    absl::Status status = checked(PyWideStringList_Append(&list, decoded));
    PyMem_RawFree(decoded);
    return status;
  }

  [[nodiscard]] absl::Status initialize() { return checked(Py_InitializeFromConfig(&config_)); }

 private:
  static absl::Status checked(const PyStatus& status) {
    if (PyStatus_Exception(status) == 0) return absl::OkStatus();
    return absl::InternalError(status.err_msg != nullptr ? status.err_msg : "Python exited");
  }

  PyConfig config_;
};

/// Holds the GIL for a scope in which the current thread state changes: Python makes the first thread state of a new
/// interpreter the current one, and with its own GIL the lock is another one from then on. Releases that of the state
/// that is current at the end, also when an exception ends the scope.
class CurrentGil {
 public:
  explicit CurrentGil(PyThreadState* state) noexcept { PyEval_RestoreThread(state); }
  CurrentGil(const CurrentGil&) = delete;
  CurrentGil& operator=(const CurrentGil&) = delete;
  ~CurrentGil() { PyEval_SaveThread(); }
};

/// Ends a new interpreter that is not kept and makes the thread state before it the current one, also when an exception
/// ends the scope: Python aborts a process that ends with an interpreter nobody knows.
class Unfinished {
 public:
  Unfinished(PyThreadState* owner, PyThreadState* before) noexcept : owner_(owner), before_(before) {}
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished() {
    if (kept_) return;
    Py_EndInterpreter(owner_);
    PyThreadState_Swap(before_);
  }

  void keep() noexcept { kept_ = true; }

 private:
  PyThreadState* owner_;
  PyThreadState* before_;
  bool kept_ = false;
};

/// Creates an interpreter and returns its first thread state, which is the current one from then on. Returns null, and
/// the current thread state stays, when the interpreter cannot be created.
PyThreadState* new_interpreter([[maybe_unused]] bool own_gil) {
#if PY_VERSION_HEX >= 0x030C0000
  // An interpreter with its own GIL needs its own allocator and extension modules that declare support for it.
  // os.fork() is refused in every sub-interpreter, because Python aborts a child that was forked in one.
  // Python requires that declaration in every sub-interpreter where it can run without a GIL.
  const PyInterpreterConfig config = {
      .use_main_obmalloc = own_gil ? 0 : 1,
      .allow_fork = 0,
      .allow_exec = 1,
      .allow_threads = 1,
      .allow_daemon_threads = 1,
      .check_multi_interp_extensions = own_gil || Runtime::has_free_threading() ? 1 : 0,
      .gil = own_gil ? PyInterpreterConfig_OWN_GIL : PyInterpreterConfig_SHARED_GIL,
  };
  PyThreadState* state = nullptr;
  const PyStatus status = Py_NewInterpreterFromConfig(&state, &config);
  return PyStatus_Exception(status) == 0 ? state : nullptr;
#else
  return Py_NewInterpreter();
#endif
}

/// Longest part of an application group's name in a log line. Clients may choose the name.
constexpr std::size_t kNameInLogBytes = 200;

/// End of the log line about an interpreter with its own GIL.
constexpr const char* kRandomSeed = "random";

constexpr const char* kOwnGilNote = ", with its own GIL";

constexpr const char* kEnvironmentFile = "/pyvenv.cfg";

bool is_virtual_environment(const std::string& home) { return ::access((home + kEnvironmentFile).c_str(), R_OK) == 0; }

/// Returns the reason for which this process cannot enter a directory; empty when it can.
std::string entry_error(const std::string& directory) {
  struct stat info {};
  const bool found = ::stat(directory.c_str(), &info) == 0;
  if (found && !S_ISDIR(info.st_mode)) return "it is not a directory";
  return found && ::access(directory.c_str(), X_OK) == 0 ? "" : std::strerror(errno);
}

/// Returns the reason for which this process cannot use a home of Python, which is a prefix, prefix:exec_prefix or a
/// virtual environment; empty when there is none. Whether Python is installed there is left to Python.
std::string home_error(const std::string& home) {
  const std::size_t colon = std::min(home.find(':'), home.size());
  if (std::string error = entry_error(home.substr(0, colon)); !error.empty()) return error;
  if (colon < home.size()) return entry_error(home.substr(colon + 1));
  const std::string file = home + kEnvironmentFile;
  if (::access(file.c_str(), R_OK) == 0 || errno == ENOENT) return "";
  return absl::StrCat("its file pyvenv.cfg cannot be read: ", std::strerror(errno));
}

}  // namespace

void Runtime::check_home() const {
  const std::string error = options_.home.empty() ? "" : home_error(options_.home);
  if (error.empty()) return;
  host_.log(LogLevel::kWarning,
            absl::StrCat("SLC0142: the home of Python '", options_.home, "' cannot be used: ", error,
                         "; Python most likely does not start; correct python-home= or WSGIPythonHome, or let the user "
                         "of the process enter it"));
}

absl::Status Runtime::initialize() {
  if (PyImport_AppendInittab("mod_wsgi", bindings::init_module) < 0) return absl::ResourceExhaustedError("no memory");
  Config config;
  config->install_signal_handlers = 0;  // the server handles signals
  config->parse_argv = 0;
  config->optimization_level = options_.optimize;
  if (!options_.write_bytecode) config->write_bytecode = 0;
#ifdef Py_GIL_DISABLED
  // Said either way, so that no extension module changes it, and as an option, which has precedence over the
  // environment.
  if (absl::Status status = config.append(config->xoptions, options_.free_threading ? "gil=0" : "gil=1"); !status.ok())
    return status;
  if (options_.free_threading) bindings::run_without_gil();
#endif
  if (!options_.hash_seed.empty()) {
    config->use_hash_seed = options_.hash_seed == kRandomSeed ? 0 : 1;
    config->hash_seed = std::strtoul(options_.hash_seed.c_str(), nullptr, 10);
  }
  for (const std::string& filter : options_.warnings) {
    if (absl::Status status = config.append(config->warnoptions, filter); !status.ok()) return status;
  }
  if (!options_.egg_cache.empty()) ::setenv("PYTHON_EGG_CACHE", options_.egg_cache.c_str(), 1);
  const bool in_environment = !options_.home.empty() && is_virtual_environment(options_.home);
  const std::string program = in_environment ? options_.home + "/bin/python3" : options_.program;
  if (absl::Status status = config.set(&config->program_name, program); !status.ok()) return status;
  if (!options_.home.empty() && !in_environment) {
    if (absl::Status status = config.set(&config->home, options_.home); !status.ok()) return status;
  }
  return config.initialize();
}

absl::Status Runtime::start(ThreadContext& thread) {
  ForkedCopy::mark_original(host_);
  check_home();
  if (absl::Status status = initialize(); !status.ok()) {
    host_.log(LogLevel::kError,
              absl::StrCat("SLC0132: Python could not be started: ", status.message(),
                           ". Check python-home= or WSGIPythonHome, which is '", options_.home, "' for this process."));
    return status;
  }
  thread.adopt(PyThreadState_Get());
  main_ = create_current("");
  PyEval_SaveThread();
  if (!main_) return absl::InternalError("the main interpreter could not be set up");
  running_.store(true, std::memory_order_release);
  return absl::OkStatus();
}

/// Sets up the interpreter whose thread state is current.
std::unique_ptr<Interpreter> Runtime::create_current(const std::string& name) {
  InterpreterSettings settings = options_.interpreters.settings_of(name);
  drop_gil_settings(name, settings);
  SignalPolicy signals = options_.signals;
  signals.restricted = signals.restricted && settings.restrict_signal;
  std::unique_ptr<Interpreter> interpreter =
      Interpreter::create({.name = name,
                           .python_path = std::move(settings.python_path),
                           .home = options_.script_home,
                           .switch_interval = settings.switch_interval,
                           .restrict_stdin = settings.restrict_stdin,
                           .restrict_stdout = settings.restrict_stdout,
                           .script_owner = options_.script_owner,
                           .signals = signals,
                           .server = options_.server,
                           .collections = collections_ != nullptr ? &collections_->add() : nullptr},
                          host_);
  ForkedCopy::end_if_this();
  return interpreter;
}

/// Drops the settings of a GIL that the interpreter does not have for itself, with a line in the log.
void Runtime::drop_gil_settings(const std::string& name, InterpreterSettings& settings) const {
  const bool shared = settings.interval_is_of_group && !settings.own_gil && !name.empty();
  const double interval = settings.switch_interval;
  if (!bindings::has_gil() || shared) settings.switch_interval = 0.0;
  if (!bindings::has_gil()) {
    if (interval == 0.0 && !settings.own_gil) return;
    host_.log(LogLevel::kWarning,
              absl::StrCat("SLC1100: the settings of a GIL for application group '", name.substr(0, kNameInLogBytes),
                           "' are not used, because this process runs Python without a GIL; remove WSGISwitchInterval "
                           "and WSGIPerInterpreterGIL for it, or set WSGIFreeThreading Off"));
    return;
  }
  if (interval == 0.0 || !shared) return;
  host_.log(
      LogLevel::kWarning,
      absl::StrCat("SLC0914: the switch interval of application group '", name.substr(0, kNameInLogBytes),
                   "' is not used, because the group shares its GIL with others; set it for the process group, or "
                   "give the application group its own GIL with WSGIPerInterpreterGIL"));
}

bool Runtime::may_create(const std::string& name, const std::string& script) const {
  if (others_.size() < options_.interpreter_limit || !scripts_.contains(script)) return true;
  const std::vector<std::string>& configured = options_.application_groups;
  return std::find(configured.begin(), configured.end(), name) != configured.end();
}

void Runtime::log_refusal(const std::string& name) noexcept {
  const std::uint64_t refused = refusals_.count();
  if (refused == 0) return;
  host_.log(
      LogLevel::kError,
      absl::StrCat("SLC0133: application group '", name.substr(0, kNameInLogBytes),
                   "' gets no Python interpreter, because this process has reached WSGIInterpreterLimit ",
                   options_.interpreter_limit, "; ", refused,
                   " requests have been answered with 503 since the last such line. Use application groups whose names "
                   "clients cannot choose, or raise the limit."));
}

absl::StatusOr<Interpreter*> Runtime::find_or_create(const std::string& name, const std::string& script,
                                                     ThreadContext& thread) {
  if (name.empty()) {
    if (main_) thread.remember(main_->name(), *main_);
    return main_.get();
  }
  const std::lock_guard lock(mutex_);
  auto entry = others_.find(name);
  if (entry == others_.end()) {
    if (!may_create(name, script)) {
      log_refusal(name);
      return absl::ResourceExhaustedError("WSGIInterpreterLimit is reached");
    }
    std::unique_ptr<Interpreter> created = create_sub_interpreter(name, thread);
    if (!created) return absl::InternalError("the interpreter could not be created");
    scripts_.insert(script);
    entry = others_.emplace(name, std::move(created)).first;
  }
  Interpreter& interpreter = *entry->second;
  thread.remember(interpreter.name(), interpreter);
  return &interpreter;
}

std::unique_ptr<Interpreter> Runtime::create_sub_interpreter(const std::string& name, ThreadContext& thread) {
  PyThreadState* const caller = thread.state_in(main_->state());
  if (caller == nullptr) return nullptr;
  const CurrentGil gil(caller);
  const bool own_gil = bindings::has_gil() && options_.interpreters.settings_of(name).own_gil;
  PyThreadState* const owner = new_interpreter(own_gil);
  if (owner == nullptr) {
    PyThreadState_Swap(caller);
    host_.log(LogLevel::kError, absl::StrCat("SLC0134: Python could not create an interpreter for application group '",
                                             name, "'; its requests are answered with 500."));
    return nullptr;
  }
  Unfinished unfinished(owner, caller);
  host_.log(LogLevel::kInfo, absl::StrCat("SLC0135: Python interpreter created for application group '", name, "'",
                                          own_gil ? kOwnGilNote : ""));
  std::unique_ptr<Interpreter> created = create_current(name);
  if (created) unfinished.keep();
  return created;
}

bool Runtime::import_script(const std::string& application_group, const std::string& path, ThreadContext& thread,
                            Interruptible* service) {
  const absl::StatusOr<Interpreter*> target = interpreter(application_group, path, thread);
  PyThreadState* const state = target.ok() && *target != nullptr ? thread.state_in((*target)->state()) : nullptr;
  if (state == nullptr) {
    host_.log(LogLevel::kError, absl::StrCat("SLC0136: WSGI script '", path,
                                             "' of WSGIImportScript is not loaded, because application group '",
                                             application_group, "' has no Python interpreter."));
    return false;
  }
  const WithGil gil(state);
  const Interruptible::Scope inside(service, **target, 0);
  const auto log = [this](LogLevel level, std::string_view line) { host_.log(level, line); };
  const Scripts::Loaded loaded =
      (*target)->scripts().load({.path = path, .mtime_us = modified_us(path), .may_exit = service != nullptr}, log);
  return static_cast<bool>(loaded.module);
}

bool Runtime::has_other_threads() {
  if (!bindings::has_gil()) return has_other_frames();
  const unsigned long here = PyThread_get_thread_ident();
  for (Interpreter* const interpreter : all_interpreters()) {
    const WithGil gil(interpreter->owner());
    for (PyThreadState* state = PyInterpreterState_ThreadHead(interpreter->state()); state != nullptr;
         state = PyThreadState_Next(state)) {
      if (state->thread_id != here) return true;
    }
  }
  return false;
}

/// Variant of has_other_threads() for builds without a GIL, where the state of a thread may end while it is examined:
/// asks for the threads that execute Python code, for which Python stops all of them.
bool Runtime::has_other_frames() {
  const WithGil attached(main_->owner());
  const Object function = bindings::borrow(PySys_GetObject("_current_frames"));
  const Object frames = function ? bindings::steal(PyObject_CallNoArgs(function.ptr())) : Object();
  const Object here = bindings::steal(PyLong_FromUnsignedLong(PyThread_get_thread_ident()));
  const bool others = frames && here && PyDict_Check(frames.ptr()) != 0 &&
                      PyDict_Size(frames.ptr()) > PyDict_Contains(frames.ptr(), here.ptr());
  PyErr_Clear();
  return others;
}

/// Returns the sub-interpreters, then the main interpreter.
std::vector<Interpreter*> Runtime::all_interpreters() {
  std::vector<Interpreter*> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, other] : others_) all.push_back(other.get());
  all.push_back(main_.get());
  return all;
}

void Runtime::publish_signal(const char* name, int number, ThreadContext& thread) {
  for (Interpreter* const interpreter : all_interpreters()) {
    PyThreadState* const state = thread.state_in(interpreter->state());
    if (state == nullptr) continue;
    const WithGil gil(state);
    bindings::publish_process_signal(interpreter->objects().module.ptr(), name, number);
  }
}

std::vector<std::string> Runtime::stack_of(unsigned long thread_id, ThreadContext& thread) {
  for (Interpreter* const interpreter : all_interpreters()) {
    PyThreadState* const state = thread.state_in(interpreter->state());
    if (state == nullptr) continue;
    const WithGil gil(state);
    if (std::vector<std::string> lines = bindings::stack_of(thread_id); !lines.empty()) return lines;
  }
  return {};
}

std::vector<std::string> Runtime::interrupt(Interruptible& target, std::uint64_t request_ns, unsigned long thread_id,
                                            ThreadContext& thread) {
  Interpreter* const interpreter = target.interpreter();
  PyThreadState* const state = interpreter != nullptr ? thread.state_in(interpreter->state()) : nullptr;
  if (state == nullptr) return {};
  const WithGil gil(state);
  PyObject* const exception = bindings::request_timeout_type(interpreter->objects().module.ptr());
  std::vector<std::string> lines = bindings::stack_of(thread_id);
  if (!target.interrupt(*interpreter, request_ns, thread_id, exception)) lines.clear();
  return lines;
}

void Runtime::end_script(Interruptible& target, unsigned long thread_id, ThreadContext& thread) {
  Interpreter* const interpreter = target.interpreter();
  PyThreadState* const state = interpreter != nullptr ? thread.state_in(interpreter->state()) : nullptr;
  if (state == nullptr) return;
  const WithGil gil(state);
  target.interrupt(*interpreter, 0, thread_id, PyExc_SystemExit);
}

void Runtime::stop(const std::string& reason, ThreadContext& thread) {
  ForkedCopy::end_if_this();
  if (!running()) return;
  const std::vector<Interpreter*> all = all_interpreters();
  // Every interpreter gets the event before the first one ends.
  for (Interpreter* const interpreter : all) {
    const WithGil gil(interpreter->owner());
    interpreter->publish_stopping(reason);
  }
  for (Interpreter* const interpreter : all) {
    if (!options_.finalize) break;
    const WithGil gil(interpreter->owner());
    interpreter->run_exit_handlers(host_);
  }
  thread.end(true);
  running_.store(false, std::memory_order_release);
  if (finalizable(all)) {
    finalize();
  } else {
    abandon();
  }
}

/// Whether the interpreters can be finalized. Finalizing would unwind threads that are still inside an interpreter,
/// such as daemon threads or requests that never end, in the middle of their work; then the process ends without it.
/// The same holds where Python 3.12 has several GILs: cached data of its argument parsers belongs to the interpreter
/// that first used it, and the main interpreter would free it.
bool Runtime::finalizable(const std::vector<Interpreter*>& all) {
  if (!options_.finalize) return false;
  if (options_.interpreters.any_own_gil() && PY_VERSION_HEX < 0x030D0000) return false;
  const WithGil gil(main_->owner());
  return std::all_of(all.begin(), all.end(),
                     [](const Interpreter* interpreter) { return interpreter->has_no_other_threads(); });
}

/// Leaks the interpreters with all that they refer to, because threads may still use them.
void Runtime::abandon() noexcept {
  static_cast<void>(main_.release());
  for (auto& [name, other] : others_) static_cast<void>(other.release());
}

void Runtime::finalize() {
  PyEval_RestoreThread(main_->owner());
  for (auto& [name, other] : others_) {
    PyThreadState_Swap(other->owner());
    other->clear();
    Py_EndInterpreter(other->owner());
    PyThreadState_Swap(main_->owner());
  }
  main_->clear();
  const int finalized = Py_FinalizeEx();
  ForkedCopy::end_if_this();
  if (finalized < 0)
    host_.log(LogLevel::kWarning,
              "SLC0137: Python could not flush its standard streams at shutdown; output may be lost.");
}

}  // namespace sluice::wsgi
