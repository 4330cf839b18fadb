// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/child.hpp"

#include <apr_thread_proc.h>

#include <algorithm>
#include <vector>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/config/python_options.hpp"
#include "adapters/apache/request/deferred_signals.hpp"
#include "adapters/apache/server/log_level.hpp"
#include "adapters/apache/server/mpm.hpp"
#include "adapters/apache/supervision/daemons.hpp"
#include "adapters/apache/supervision/process_registry.hpp"
#include "adapters/apache/supervision/scoreboard.hpp"
#include "adapters/daemon/deadlines.hpp"
#include "adapters/daemon/isolation.hpp"
#include "adapters/wsgi/process/shutdown_watchdog.hpp"
#include "adapters/wsgi/process/telemetry_reporter.hpp"
#include "adapters/wsgi/python/forked_copy.hpp"

namespace sluice::apache {
namespace {

constinit Child* this_child = nullptr;
/// True when the MPM forks a process for each connection from a serving process.
constinit bool forks_connections = false;
/// The shared memory in which this process records; empty when it records in private memory.
constinit std::span<std::byte> recording_memory;

/// The time that an application may take to end. The server's parent kills a process that takes longer.
constexpr int kShutdownSeconds = 10;

/// The reason is empty, because only the server knows why one of its processes ends.
constexpr const char* kShutdownReason = "";

wsgi::Runtime::Options embedded_options(const Capacity& capacity) {
  wsgi::Runtime::Options options = python_options(nullptr);
  options.signals.threads_blocked = capacity.threaded;
  return options;
}

apr_status_t end_thread(void* context) noexcept {
  auto* const thread = static_cast<wsgi::ThreadContext*>(context);
  thread->end(this_child->runtime().running());
  delete thread;
  return APR_SUCCESS;
}

apr_status_t stop_child(void* stopped) noexcept {
  static_cast<Child*>(stopped)->stop();
  return APR_SUCCESS;
}

}  // namespace

Capacity Capacity::of_server() {
  return {.processes = std::max(ask_mpm(AP_MPMQ_MAX_DAEMONS), 1),
          .threads = std::max(ask_mpm(AP_MPMQ_MAX_THREADS), 1),
          .threaded = ask_mpm(AP_MPMQ_IS_THREADED) != AP_MPMQ_NOT_SUPPORTED};
}

EmbeddedHost::EmbeddedHost(server_rec* server, const Capacity& capacity, std::span<std::byte> memory)
    : bindings::Host(
          {.threads = static_cast<std::size_t>(capacity.threads),
           .mode = wsgi::Mode::kEmbedded,
           .measure_phases = telemetry_settings().configured() ? wsgi::sequential_phases : wsgi::overlapping_phases,
           .slow_threshold_us = slow_threshold_us(),
           .publish_requests = listed_requests_ns().has_value(),
           .memory = memory}),
      server_(server),
      capacity_(capacity),
      external_reporter_(telemetry_settings().configured()) {}

const bindings::Scoreboard* EmbeddedHost::scoreboard() const noexcept {
  return process_config().server_metrics == 1 ? apache::scoreboard() : nullptr;
}

bool EmbeddedHost::logs(LogLevel level) const noexcept {
  return APLOG_MODULE_IS_LEVEL(server_, APLOG_MODULE_INDEX, apache_level(level));
}

void EmbeddedHost::log(LogLevel level, std::string_view line) const noexcept {
  ap_log_error(APLOG_MARK, apache_level(level), 0, server_, "%.*s", static_cast<int>(line.size()), line.data());
}

void EmbeddedHost::log_for_request(LogLevel level, std::string_view line) const noexcept {
  const wsgi::Exchange* const exchange = wsgi::ThreadContext::current_exchange();
  exchange != nullptr ? exchange->log(level, line) : log(level, line);
}

Child::Child(apr_pool_t* pool, server_rec* server, std::span<std::byte> memory)
    : capacity_(Capacity::of_server()),
      host_(server, capacity_, memory),
      runtime_(embedded_options(capacity_), host_),
      main_thread_(host_.recorder()),
      facts_{.multithread = capacity_.threads > 1,
             .multiprocess = capacity_.processes > 1,
             .capture_user_agent = (process_config().telemetry_options & kCaptureUserAgent) != 0},
      pool_(pool) {
  set_server_version(facts_);
  load();
  host_.recorder().board().set_state(wsgi::ProcessState::kServing);
}

void Child::load() {
  const bool restricted = process_config().restrict_embedded != 0;
  if (restricted && !process_config().server_scripts) return;
  if (!runtime_.start(main_thread_).ok() || restricted) return;
  if (host_.external_reporter()) {
    reporter_ = wsgi::start_reporter(telemetry_settings(), telemetry_identity(), host_, runtime_, main_thread_);
  }
  const apr_array_header_t* const imports = process_config().imports;
  for (int i = 0; i < imports->nelts; ++i) {
    const auto& script = reinterpret_cast<const Import*>(imports->elts)[i];
    if (*script.process_group != '\0') continue;
    runtime_.import_script(script.application_group, script.path, main_thread_);
  }
}

void Child::stop() {
  wsgi::ForkedCopy::end_if_this();
  const wsgi::ShutdownWatchdog watchdog(kShutdownSeconds, host_);
  if (reporter_ != nullptr) {
    reporter_->announce_end(kShutdownReason);
    reporter_->stop(kShutdownReason);
  }
  runtime_.stop(kShutdownReason, main_thread_);
  daemon::DeadlineWatcher::stop();  // its code is unloaded before the process ends
}

wsgi::ThreadContext& Child::thread_of(request_rec* request) {
  if (wsgi::ThreadContext* const current = wsgi::ThreadContext::current()) return *current;
  auto* const created = new wsgi::ThreadContext(host_.recorder());
  apr_thread_t* const thread = request->connection->current_thread;
  apr_pool_t* const pool = thread != nullptr ? apr_thread_pool_get(thread) : pool_;
  apr_pool_cleanup_register(pool, created, end_thread, apr_pool_cleanup_null);
  return *created;
}

Child* child() noexcept { return this_child; }

void isolate_child(apr_pool_t*, server_rec*) {
  ParentState& state = parent_state();
  if (!state.in_parent()) {  // with httpd -X the parent serves requests itself
    daemon::leave_terminal();
    if (state.of_root) daemon::leave_keyring();
  }
  leave_daemons_to_parent(state);
  recording_memory = enter_child(state);
}

void start_child(apr_pool_t* pool, server_rec* server) {
  const Capacity capacity = Capacity::of_server();
  forks_connections = ap_find_linked_module("mpm_itk.c") != nullptr;
  if (!capacity.threaded) DeferredSignals::install();
  const DeferredSignals::Scope whole_start(-1);
  try {
    this_child = new Child(pool, server, recording_memory);
    // The cleanup runs before those of pools that the application may still use.
    apr_pool_pre_cleanup_register(pool, this_child, stop_child);
  } catch (const std::exception& error) {
    ap_log_error(APLOG_MARK, APLOG_CRIT, 0, server,
                 "SLC0421: this process cannot serve WSGI applications, because its set-up failed: %s", error.what());
  }
}

int enter_connection(conn_rec*) {
  if (forks_connections) wsgi::ForkedCopy::mark_server_fork();
  return DECLINED;
}

}  // namespace sluice::apache
