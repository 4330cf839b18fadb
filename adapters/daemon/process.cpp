#include "adapters/daemon/process.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "adapters/daemon/lifetime.hpp"
#include "adapters/daemon/privileges.hpp"
#include "adapters/daemon/prober.hpp"
#include "adapters/daemon/signals.hpp"
#include "adapters/daemon/workers.hpp"
#include "adapters/wsgi/reporter.hpp"

namespace sluice::daemon {

using bindings::LogLevel;

namespace {

/// How long a process that cannot serve waits before it ends and is made again.
constexpr unsigned kFailureSeconds = 1;

class DaemonHost final : public bindings::Host {
 public:
  explicit DaemonHost(const ProcessOptions& options)
      : bindings::Host({.threads = static_cast<std::size_t>(std::max(options.group.threads, 1)),
                        .mode = Mode::kDaemon,
                        .measure_phases = options.telemetry.configured() ? sequential_phases : overlapping_phases,
                        .slow_threshold_us = options.slow_threshold_us,
                        .memory = options.memory}),
        options_(options) {}

  [[nodiscard]] bool external_reporter() const noexcept override { return options_.telemetry.configured(); }
  [[nodiscard]] const bindings::Scoreboard* scoreboard() const noexcept override {
    return options_.scoreboard == nullptr ? nullptr : options_.scoreboard();
  }
  [[nodiscard]] std::string process_group() const override { return options_.group.name; }
  [[nodiscard]] bool delivers_signals() const noexcept override { return options_.group.serves(); }
  [[nodiscard]] long maximum_processes() const noexcept override { return options_.group.processes; }
  [[nodiscard]] long threads_per_process() const noexcept override { return options_.group.threads; }
  void log(LogLevel level, std::string_view line) const noexcept override { options_.log(level, line); }

 private:
  const ProcessOptions& options_;
};

[[noreturn]] void fail(const ProcessOptions& options, const absl::Status& status) {
  options.log(LogLevel::kError,
              absl::StrCat("Daemon process '", options.group.name, "' serves nothing: ", status.message(), "."));
  ::sleep(kFailureSeconds);
  ::_exit(1);
}

/// Without the server there is nothing to serve. The kernel forgets this when ids change, so it is asked afterwards.
absl::Status end_with_parent(pid_t parent) {
  if (::prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) {
    return absl::PermissionDeniedError(absl::StrCat("prctl(PR_SET_PDEATHSIG) failed: ", std::strerror(errno)));
  }
  if (::getppid() != parent) return absl::CancelledError("the server has ended");
  return absl::OkStatus();
}

absl::Status set_up_surroundings(const Group& group, pid_t parent) {
  if (group.umask >= 0) ::umask(static_cast<mode_t>(group.umask));
  if (absl::Status status = drop_privileges(group); !status.ok()) return status;
  if (absl::Status status = end_with_parent(parent); !status.ok()) return status;
  if (group.home != nullptr) {
    if (::chdir(group.home) != 0) {
      return absl::NotFoundError(absl::StrCat("its home '", group.home, "' cannot be entered: ", std::strerror(errno)));
    }
    ::setenv("HOME", group.home, 1);
  }
  if (group.user != nullptr) {
    ::setenv("USER", group.user, 1);
    ::setenv("USERNAME", group.user, 1);
    ::setenv("LOGNAME", group.user, 1);
  }
  if (group.lang != nullptr) ::setenv("LANG", group.lang, 1);
  if (group.locale != nullptr) {
    ::setenv("LC_ALL", group.locale, 1);
    if (std::setlocale(LC_ALL, group.locale) == nullptr) {
      return absl::NotFoundError(absl::StrCat("there is no locale '", group.locale, "'"));
    }
  }
  return absl::OkStatus();
}

/// Null where there is nobody to report to, or nothing to report.
telemetry::Reporter* start_reporter(const ProcessOptions& options, bindings::Host& host, wsgi::Runtime& runtime,
                                    wsgi::ThreadContext& thread) {
  if (!options.telemetry.configured() || !options.group.serves()) return nullptr;
  telemetry::Identity identity = options.identity;
  identity.process_group = options.group.name;
  return wsgi::start_reporter(options.telemetry, std::move(identity), host, runtime, thread);
}

}  // namespace

void run_process(const ProcessOptions& options) {
  Lifetime::block_signals();
  if (options.group.serves()) SignalDispatcher::block_signals();
  if (absl::Status status = set_up_surroundings(options.group, options.parent); !status.ok()) fail(options, status);

  // None of these is ever destroyed: threads that do not end with the process may use them to the last.
  auto& host = *new DaemonHost(options);
  auto& lifetime = *new Lifetime(options.group, host, options.heartbeat);
  auto& runtime = *new wsgi::Runtime(options.python, host);
  auto& main_thread = *new wsgi::ThreadContext(host.recorder());
  auto& workers = *new Workers({.group = options.group, .listener = options.listener, .keys = options.keys}, runtime,
                               lifetime, options.facts);
  if (options.group.serves()) lifetime.watch_listener(new ListenerCheck(options.listener));
  std::thread([&] { lifetime.watch(workers); }).detach();

  if (absl::Status status = runtime.start(main_thread); !status.ok()) fail(options, status);
  telemetry::Reporter* const reporter = start_reporter(options, host, runtime, main_thread);
  lifetime.report_to(reporter);
  for (const ImportedScript& script : options.imports) {
    if (lifetime.closing()) break;
    runtime.import_script(script.application_group, script.path, main_thread);
  }
  auto& prober = *new Prober(runtime);
  lifetime.watch_python(&prober);
  SignalDispatcher* const signals = options.group.serves() ? new SignalDispatcher(runtime) : nullptr;
  if (options.group.serves() && !workers.start()) lifetime.stop(Lifetime::Stop::kEnd, "startup_failure");
  lifetime.wait_for_closing();
  if (reporter != nullptr) reporter->announce_end(lifetime.reason());
  workers.stop();
  lifetime.wait_for_requests(workers);
  workers.stop();
  lifetime.watch_python(nullptr);
  prober.stop();
  if (signals != nullptr) signals->stop();
  if (reporter != nullptr) reporter->stop(lifetime.reason());
  runtime.stop(lifetime.reason(), main_thread);
  ::_exit(0);
}

}  // namespace sluice::daemon
