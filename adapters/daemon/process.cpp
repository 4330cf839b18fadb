// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/process.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "adapters/daemon/clone_filter.hpp"
#include "adapters/daemon/gil_watchdog.hpp"
#include "adapters/daemon/privileges.hpp"
#include "adapters/daemon/refusal.hpp"
#include "adapters/daemon/service_process.hpp"
#include "adapters/daemon/shutdown_controller.hpp"
#include "adapters/daemon/signals.hpp"
#include "adapters/daemon/surroundings.hpp"
#include "adapters/daemon/workers.hpp"
#include "adapters/wsgi/process/telemetry_reporter.hpp"

namespace sluice::daemon {

namespace {

std::size_t threads_of(const DaemonOptions& options) { return static_cast<std::size_t>(std::max(options.threads, 1)); }

class DaemonHost final : public bindings::Host {
 public:
  explicit DaemonHost(const ProcessOptions& options)
      : bindings::Host(
            {.threads = threads_of(options.daemon),
             .mode = wsgi::Mode::kDaemon,
             .measure_phases = options.telemetry.configured() ? wsgi::sequential_phases : wsgi::overlapping_phases,
             .slow_threshold_us = options.slow_threshold_us,
             .publish_requests = options.publish_requests,
             .memory = options.memory}),
        options_(options) {}

  [[nodiscard]] bool external_reporter() const noexcept override { return options_.telemetry.configured(); }
  [[nodiscard]] const bindings::Scoreboard* scoreboard() const noexcept override {
    return options_.scoreboard == nullptr ? nullptr : options_.scoreboard();
  }
  [[nodiscard]] std::string process_group() const override { return options_.daemon.name; }
  [[nodiscard]] bool delivers_signals() const noexcept override { return options_.daemon.serves(); }
  [[nodiscard]] long maximum_processes() const noexcept override { return options_.daemon.processes; }
  [[nodiscard]] long threads_per_process() const noexcept override { return options_.daemon.threads; }
  void log(LogLevel level, std::string_view line) const noexcept override { options_.log(level, line); }
  void log_for_request(LogLevel level, std::string_view line) const noexcept override {
    const wsgi::Exchange* const exchange = wsgi::ThreadContext::current_exchange();
    exchange != nullptr ? exchange->log(level, line) : log(level, line);
  }

 private:
  const ProcessOptions& options_;
};

/// Ends a process that cannot serve, after a minute in which it answers the requests of its group.
[[noreturn]] void fail(const ProcessOptions& options, const absl::Status& status, absl::FunctionRef<bool()> ending) {
  options.log(LogLevel::kError,
              absl::StrCat("SLC0500: daemon process '", options.daemon.name, "' serves nothing: ", status.message(),
                           "; requests are answered with 503, and the server starts another process "
                           "in a minute; correct the cause and restart the server"));
  wsgi::board_in(options.memory, threads_of(options.daemon)).set_state(wsgi::ProcessState::kRefusing);
  refuse_requests(options.listener, options.heartbeat, [&] { return ::getppid() != options.parent || ending(); });
  ::_exit(1);
}

/// Ends a process that could not give up the server's privileges at once, because nothing may run with them.
[[noreturn]] void end_privileged(const ProcessOptions& options, const absl::Status& status) {
  options.log(LogLevel::kError, absl::StrCat("SLC0528: daemon process '", options.daemon.name,
                                             "' ends at once, because ", status.message(),
                                             "; the server starts another; correct the options user= and group=, or "
                                             "the capabilities of the server"));
  ::_exit(1);
}

/// Keeps the children of the process its own, where the process still has the privilege for that.
void keep_children(const ProcessOptions& options) {
  if (::geteuid() != 0) return;
  const absl::Status status = refuse_siblings();
  if (status.ok()) return;
  options.log(LogLevel::kInfo,
              absl::StrCat("SLC0529: daemon process '", options.daemon.name,
                           "' can create children of the server's parent, because the kernel refuses a filter of "
                           "system calls: ",
                           status.message(),
                           "; such a child could stop the server by its exit code; give the server CAP_SYS_ADMIN"));
}

/// Makes the kernel end the process when its parent ends. The kernel forgets this setting when ids change, so call this
/// after that.
absl::Status end_with_parent(pid_t parent) {
  if (::prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) {
    return absl::PermissionDeniedError(absl::StrCat("prctl(PR_SET_PDEATHSIG) failed: ", std::strerror(errno)));
  }
  if (::getppid() != parent) return absl::CancelledError("the server has ended");
  return absl::OkStatus();
}

/// Limits the processor time. The kernel sends SIGXCPU at the limit, after which the process is replaced, and kills a
/// process that has not ended by the time that its end may take. Where the server itself has a limit at which the
/// kernel kills, the signal comes that time earlier, as far as there is room.
void limit_cpu_time(const DaemonOptions& options, const LogSink& log) {
  if (options.cpu_time_limit == 0) return;
  const auto limit = static_cast<rlim_t>(options.cpu_time_limit);
  const rlim_t end = 1 + static_cast<rlim_t>(options.graceful_timeout) + static_cast<rlim_t>(options.shutdown_timeout);
  rlimit limits{};
  ::getrlimit(RLIMIT_CPU, &limits);
  const rlim_t kill = std::min(limit + end, limits.rlim_max);
  const rlim_t signal = kill < limit + end ? std::min(limit, std::max(kill - std::min(kill, end), kill / 2)) : limit;
  limits = {.rlim_cur = signal, .rlim_max = kill};
  const bool set = ::setrlimit(RLIMIT_CPU, &limits) == 0;
  if (set && signal == limit) return;
  const std::string event = set ? absl::StrCat("limited to ", signal, " s instead of ", limit)
                                : absl::StrCat("not limited to ", limit, " s: ", std::strerror(errno));
  log(LogLevel::kWarning, absl::StrCat("SLC0953: the processor time of daemon process '", options.name, "' is ", event,
                                       " (option cpu-time-limit), because the server itself may use ", kill,
                                       " s; raise the limit of the server"));
}

absl::Status set_up(const ProcessOptions& options) {
  if (absl::Status status = end_with_parent(options.parent); !status.ok()) return status;
  return enter_surroundings(options.daemon, options.log);
}

/// Returns null when no telemetry service is configured, or the process serves no requests.
telemetry::Reporter* start_reporter(const ProcessOptions& options, bindings::Host& host, wsgi::Runtime& runtime,
                                    wsgi::ThreadContext& thread) {
  if (!options.telemetry.configured() || !options.daemon.serves()) return nullptr;
  telemetry::Identity identity = options.identity;
  identity.process_group = options.daemon.name;
  return wsgi::start_reporter(options.telemetry, std::move(identity), host, runtime, thread);
}

}  // namespace

void run_process(const ProcessOptions& options) {
  ShutdownController::install_handlers(options.daemon);
  if (options.daemon.serves()) SignalDispatcher::install_handlers();
  limit_cpu_time(options.daemon, options.log);
  set_cpu_priority(options.daemon, options.log);
  keep_children(options);
  if (absl::Status status = drop_privileges(options.daemon); !status.ok()) end_privileged(options, status);
  if (absl::Status status = set_up(options); !status.ok()) fail(options, status, ShutdownController::end_signalled);

  // These objects are never destroyed, because threads that are still running when the process ends may use them.
  auto& host = *new DaemonHost(options);
  auto& shutdown = *new ShutdownController(options.daemon, host, options.heartbeat);
  auto& runtime = *new wsgi::Runtime(options.python, host);
  auto& main_thread = *new wsgi::ThreadContext(host.recorder());
  auto& workers = *new Workers({.options = options.daemon, .listener = options.listener, .keys = options.keys}, runtime,
                               shutdown, options.facts);
  if (options.daemon.serves()) shutdown.watch_listener(new ListenerCheck(options.listener));
  std::thread([&] { shutdown.watch(workers); }).detach();

  if (absl::Status status = runtime.start(main_thread); !status.ok()) {
    fail(options, status, [&] { return shutdown.closing(); });
  }
  telemetry::Reporter* const reporter = start_reporter(options, host, runtime, main_thread);
  shutdown.report_to(reporter);
  if (!options.daemon.serves()) host.recorder().board().set_state(wsgi::ProcessState::kServing);
  if (!options.daemon.serves()) run_service_scripts(options.daemon, options.imports, runtime, main_thread, shutdown);
  for (const ImportedScript& script : options.imports) {
    if (shutdown.closing() || !options.daemon.serves()) break;
    const bool loaded = runtime.import_script(script.application_group, script.path, main_thread);
    if (loaded && script.is_application) shutdown.loaded();
  }
  auto& gil_watchdog = *new GilWatchdog(runtime);
  shutdown.set_gil_watchdog(&gil_watchdog);
  RequestInterrupter* const interrupter =
      options.daemon.interrupt_timeout > 0 ? new RequestInterrupter(runtime) : nullptr;
  shutdown.set_interrupter(interrupter);
  SignalDispatcher* const signals = options.daemon.serves() ? new SignalDispatcher(runtime) : nullptr;
  if (options.daemon.serves() && !workers.start()) shutdown.stop(ShutdownController::Stop::kEnd, "startup_failure");
  host.recorder().board().set_state(wsgi::ProcessState::kServing);
  shutdown.wait_for_closing();
  if (reporter != nullptr) reporter->announce_end(shutdown.reason());
  workers.stop();
  shutdown.wait_for_requests(workers);
  workers.stop();
  shutdown.set_interrupter(nullptr);
  if (interrupter != nullptr) interrupter->stop();
  shutdown.set_gil_watchdog(nullptr);
  gil_watchdog.stop();
  if (signals != nullptr) signals->stop();
  if (reporter != nullptr) reporter->stop(shutdown.reason());
  runtime.stop(shutdown.reason(), main_thread);
  ::_exit(0);
}

}  // namespace sluice::daemon
