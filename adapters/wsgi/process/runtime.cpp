#include "adapters/wsgi/process/runtime.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bindings/module.hpp"
#include "bindings/traceback.hpp"

namespace sluice::wsgi {

using bindings::LogLevel;

namespace {

/// A PyConfig for a scope.
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

  [[nodiscard]] absl::Status initialize() { return checked(Py_InitializeFromConfig(&config_)); }

 private:
  static absl::Status checked(const PyStatus& status) {
    if (PyStatus_Exception(status) == 0) return absl::OkStatus();
    return absl::InternalError(status.err_msg != nullptr ? status.err_msg : "Python exited");
  }

  PyConfig config_;
};

/// A new interpreter, whose first thread state takes the place of the current one. Null, and the current one stays, if
/// it cannot be made.
PyThreadState* new_interpreter([[maybe_unused]] bool own_gil) {
#if PY_VERSION_HEX >= 0x030C0000
  // A lock of its own wants memory of its own, and extension modules that say that they can do with that. fork() is
  // refused either way: Python aborts the child where a sub-interpreter has made it.
  const PyInterpreterConfig config = {
      .use_main_obmalloc = own_gil ? 0 : 1,
      .allow_fork = 0,
      .allow_exec = 1,
      .allow_threads = 1,
      .allow_daemon_threads = 1,
      .check_multi_interp_extensions = own_gil ? 1 : 0,
      .gil = own_gil ? PyInterpreterConfig_OWN_GIL : PyInterpreterConfig_SHARED_GIL,
  };
  PyThreadState* made = nullptr;
  const PyStatus status = Py_NewInterpreterFromConfig(&made, &config);
  return PyStatus_Exception(status) == 0 ? made : nullptr;
#else
  return Py_NewInterpreter();
#endif
}

/// As much of a group's name as a log line shows, since clients may choose it.
constexpr std::size_t kNameInLog = 200;

bool is_virtual_environment(const std::string& home) { return ::access((home + "/pyvenv.cfg").c_str(), R_OK) == 0; }

}  // namespace

absl::Status Runtime::initialize() {
  if (PyImport_AppendInittab("mod_wsgi", bindings::init_module) < 0) return absl::ResourceExhaustedError("no memory");
  Config config;
  config->install_signal_handlers = 0;  // signals are the server's
  config->parse_argv = 0;
  config->optimization_level = options_.optimize;
  const bool environment = !options_.home.empty() && is_virtual_environment(options_.home);
  const std::string program = environment ? options_.home + "/bin/python3" : options_.program;
  if (absl::Status status = config.set(&config->program_name, program); !status.ok()) return status;
  if (!options_.home.empty() && !environment) {
    if (absl::Status status = config.set(&config->home, options_.home); !status.ok()) return status;
  }
  return config.initialize();
}

absl::Status Runtime::start(ThreadContext& thread) {
  ForkedCopy::mark_original(host_);
  if (absl::Status status = initialize(); !status.ok()) {
    host_.log(LogLevel::kError, absl::StrCat("Python could not be started: ", status.message(), "."));
    return status;
  }
  thread.adopt(PyThreadState_Get());
  main_ = Interpreter::create({.name = "", .python_path = options_.python_path, .script_owner = options_.script_owner},
                              host_);
  ForkedCopy::end_if_this();
  PyEval_SaveThread();
  if (!main_) return absl::InternalError("the main interpreter could not be set up");
  running_.store(true, std::memory_order_release);
  return absl::OkStatus();
}

bool Runtime::may_make(const std::string& name, const std::string& script) const {
  if (others_.size() < options_.interpreter_limit || !scripts_.contains(script)) return true;
  const std::vector<std::string>& named = options_.application_groups;
  return std::find(named.begin(), named.end(), name) != named.end();
}

void Runtime::log_refusal(const std::string& name) noexcept {
  const std::uint64_t refused = refusals_.count();
  if (refused == 0) return;
  host_.log(
      LogLevel::kError,
      absl::StrCat("Application group '", name.substr(0, kNameInLog), "' gets no Python interpreter: this process has ",
                   options_.interpreter_limit, ", as many as WSGIInterpreterLimit allows. ", refused,
                   " requests have got 503 for it since the last such line. Name application groups that clients "
                   "cannot choose, or raise the limit."));
}

absl::StatusOr<Interpreter*> Runtime::interpreter(const std::string& name, const std::string& script,
                                                  ThreadContext& thread) {
  if (name.empty()) return main_.get();
  if (Interpreter* const known = thread.known_interpreter(name)) return known;
  const std::lock_guard lock(mutex_);
  auto found = others_.find(name);
  if (found == others_.end()) {
    if (!may_make(name, script)) {
      log_refusal(name);
      return absl::ResourceExhaustedError("as many interpreters as there may be");
    }
    std::unique_ptr<Interpreter> made = make_sub_interpreter(name, thread);
    if (!made) return absl::InternalError("no interpreter could be made");
    scripts_.insert(script);
    found = others_.emplace(name, std::move(made)).first;
  }
  thread.remember(*found->second);
  return found->second.get();
}

std::unique_ptr<Interpreter> Runtime::make_sub_interpreter(const std::string& name, ThreadContext& thread) {
  PyThreadState* const caller = thread.state_in(main_->state());
  if (caller == nullptr) return nullptr;
  PyEval_RestoreThread(caller);
  PyThreadState* const owner = new_interpreter(options_.own_gil);
  if (owner == nullptr) {
    host_.log(LogLevel::kError, absl::StrCat("No interpreter could be made for application group '", name, "'."));
    PyThreadState_Swap(caller);
    PyEval_SaveThread();
    return nullptr;
  }
  host_.log(LogLevel::kInfo, absl::StrCat("Python interpreter made for application group '", name, "'",
                                          options_.own_gil ? ", with its own GIL." : "."));
  std::unique_ptr<Interpreter> made = Interpreter::create(
      {.name = name, .python_path = options_.python_path, .script_owner = options_.script_owner}, host_);
  ForkedCopy::end_if_this();
  if (made) {
    PyEval_SaveThread();
    return made;
  }
  Py_EndInterpreter(owner);
  PyThreadState_Swap(caller);
  PyEval_SaveThread();
  return nullptr;
}

void Runtime::import_script(const std::string& application_group, const std::string& path, ThreadContext& thread) {
  const absl::StatusOr<Interpreter*> target = interpreter(application_group, path, thread);
  PyThreadState* const state = target.ok() && *target != nullptr ? thread.state_in((*target)->state()) : nullptr;
  if (state == nullptr) {
    host_.log(LogLevel::kError, absl::StrCat("WSGI script '", path, "' could not be loaded into application group '",
                                             application_group, "'."));
    return;
  }
  const WithGil locked(state);
  const auto log = [this](LogLevel level, std::string_view line) { host_.log(level, line); };
  static_cast<void>((*target)->scripts().load({.path = path, .mtime_us = modified_us(path)}, log));
}

/// The main one last.
std::vector<Interpreter*> Runtime::all_interpreters() {
  std::vector<Interpreter*> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, other] : others_) all.push_back(other.get());
  all.push_back(main_.get());
  return all;
}

void Runtime::publish_signal(const char* name, int number, ThreadContext& thread) {
  for (Interpreter* const each : all_interpreters()) {
    PyThreadState* const state = thread.state_in(each->state());
    if (state == nullptr) continue;
    const WithGil locked(state);
    bindings::publish_process_signal(each->objects().module.ptr(), name, number);
  }
}

std::vector<std::string> Runtime::stack_of(unsigned long thread_id, ThreadContext& thread) {
  for (Interpreter* const each : all_interpreters()) {
    PyThreadState* const state = thread.state_in(each->state());
    if (state == nullptr) continue;
    const WithGil locked(state);
    if (std::vector<std::string> lines = bindings::stack_of(thread_id); !lines.empty()) return lines;
  }
  return {};
}

void Runtime::stop(const std::string& reason, ThreadContext& thread) {
  ForkedCopy::end_if_this();
  if (!running()) return;
  const std::vector<Interpreter*> all = all_interpreters();
  // Every interpreter is told before any is ended.
  for (Interpreter* each : all) {
    const WithGil locked(each->owner());
    each->publish_stopping(reason);
  }
  for (Interpreter* each : all) {
    const WithGil locked(each->owner());
    each->run_exit_handlers(host_);
  }
  thread.end(true);
  running_.store(false, std::memory_order_release);
  if (finalizable(all)) {
    finalize();
  } else {
    abandon();
  }
}

/// Threads that are still inside an interpreter, daemons or requests that never end, would be unwound in the middle of
/// whatever they do: then the kernel takes the process as it is. So it does where Python 3.12 had several locks: what
/// its parsers of arguments keep belongs to the interpreter that first used each, and the main one would free it.
bool Runtime::finalizable(const std::vector<Interpreter*>& all) {
  if (options_.own_gil && PY_VERSION_HEX < 0x030D0000) return false;
  const WithGil locked(main_->owner());
  return std::all_of(all.begin(), all.end(), [](const Interpreter* each) { return each->has_no_other_threads(); });
}

/// Keeps what the interpreters refer to: nobody has the right to release it any more.
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
  if (finalized < 0) host_.log(LogLevel::kWarning, "Python could not flush its standard streams at the end.");
}

}  // namespace sluice::wsgi
