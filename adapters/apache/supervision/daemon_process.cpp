// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/daemon_process.hpp"

#include <apr_portable.h>
#include <scoreboard.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "adapters/apache/config/python_options.hpp"
#include "adapters/apache/server/log_level.hpp"
#include "adapters/apache/supervision/error_log.hpp"
#include "adapters/apache/supervision/own_log.hpp"
#include "adapters/apache/supervision/process_registry.hpp"
#include "adapters/apache/supervision/scoreboard.hpp"
#include "adapters/daemon/isolation.hpp"
#include "adapters/daemon/process.hpp"
#include "adapters/daemon/signal_queue.hpp"

namespace sluice::apache {
namespace {

/// Overwrites the arguments of the process, which `ps` shows. They are contiguous, and the first is at the beginning.
void name_process(const server_rec* server, const char* display_name, const char* group) {
  const std::string name =
      std::string_view(display_name) == "%{GROUP}" ? "(wsgi:" + std::string(group) + ")" : display_name;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string arguments((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto* const begin = const_cast<char*>(server->process->argv[0]);
  if (arguments.size() < 2 || arguments.c_str() != std::string_view(begin)) return;
  const std::size_t room = arguments.size() - 1;
  std::memset(begin, '\0', room);
  std::copy_n(name.data(), std::min(name.size(), room), begin);
}

daemon::ProcessOptions process_options(const ParentState& state, const Daemon& process, std::span<std::byte> memory) {
  const DaemonGroup& group = *process.group;
  daemon::ProcessOptions options{
      .daemon = group.options,
      .listener = state.retained->sockets.descriptor_of(group.options.name),
      .keys = group.keys != nullptr ? *group.keys : daemon::KeyRing{},
      .parent = state.pid,
      .heartbeat = process.heartbeat,
      .memory = memory,
      .scoreboard = group.options.server_metrics ? scoreboard : nullptr,
      .facts = {.multithread = group.options.threads > 1,
                .multiprocess = group.options.processes_configured,
                .run_once = group.options.threads == 1 && group.options.maximum_requests == 1,
                .capture_user_agent = (process_config().telemetry_options & kCaptureUserAgent) != 0},
      .python = python_options(&group.options),
      .imports = {},
      .telemetry = telemetry_settings(),
      .identity = telemetry_identity(),
      .slow_threshold_us = slow_threshold_us(),
      .publish_requests = listed_requests_ns().has_value(),
      .log = [server = group.server](LogLevel level, std::string_view line) {
        keep_error_log(server);
        ap_log_error(APLOG_MARK, apache_level(level), 0, server, "%.*s", static_cast<int>(line.size()), line.data());
      }};
  // A service script has the process to itself.
  if (!group.options.serves()) options.python.signals.restricted = false;
  options.python.script_owner = script_owner(group.options);
  set_server_version(options.facts);
  const apr_array_header_t* const imports = process_config().imports;
  for (int i = 0; i < imports->nelts; ++i) {
    const auto& script = reinterpret_cast<const Import*>(imports->elts)[i];
    if (std::strcmp(script.process_group, group.options.name) != 0) continue;
    options.imports.push_back({script.application_group, script.path, script.is_application});
  }
  return options;
}

int log_descriptor(const server_rec* server) noexcept {
  apr_os_file_t descriptor = -1;
  const bool has_descriptor =
      server->error_log != nullptr && apr_os_file_get(&descriptor, server->error_log) == APR_SUCCESS;
  return has_descriptor ? descriptor : -1;
}

/// Makes the scoreboard, which all processes of the server can write, read-only for a group that may read it. Returns
/// false when the process has no scoreboard.
bool keep_scoreboard(const daemon::DaemonOptions& options, server_rec* server) {
  if (!options.server_metrics || ap_get_scoreboard_global() == nullptr) return false;
  const absl::Status status = daemon::make_read_only(ap_get_scoreboard_global());
  if (status.ok()) return true;
  ap_log_error(
      APLOG_MARK, APLOG_WARNING, 0, server,
      "SLC0496: server_metrics() returns None in daemon process group '%s', because the scoreboard cannot be made "
      "read-only: %s; this needs /proc, and CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE in the server's parent",
      options.name, std::string(status.message()).c_str());
  return false;
}

/// Releases all descriptors and shared memory that the process does not need. Throws std::exception.
void isolate(const ParentState& state, const Daemon& process, daemon::ProcessOptions& options) {
  if (!keep_scoreboard(process.group->options, state.server)) {
    options.scoreboard = nullptr;
    ap_scoreboard_image = nullptr;
  }
  const void* const kept[] = {options.memory.data(), options.heartbeat};
  if (const absl::Status status = daemon::unmap_shared_but(kept); !status.ok()) {
    throw std::runtime_error(std::string(status.message()));
  }
  state.retained->sockets.keep_only(process.group->options.name);
  ::closelog();  // the next call of syslog() opens it again
  daemon::close_descriptors_but(
      {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, log_descriptor(process.group->server), options.listener});
}

/// Makes the log of the group's server that of the whole process, also for what is written to standard error. The logs
/// of other virtual hosts are not kept open, so nothing may use them.
void use_error_log(server_rec* main_server, server_rec* own) noexcept {
  if (const int descriptor = log_descriptor(own); descriptor >= 0) own_open_log(descriptor, own);
  give_standard_streams(log_descriptor(own));
  for (server_rec* server = main_server; server != nullptr; server = server->next) server->error_log = own->error_log;
}

}  // namespace

void become_daemon(ParentState& state, const Daemon& process, unsigned pause_seconds) noexcept {
  const daemon::DaemonOptions& daemon = process.group->options;
  daemon::reset_dispositions();
  daemon::leave_terminal();
  if (state.of_root) daemon::leave_keyring();
  use_error_log(state.server, process.group->server);
  remember_error_log(process.group->server);
  const std::span<std::byte> memory = isolate_daemon(state, process.slot);
  try {
    daemon::ProcessOptions options = process_options(state, process, memory);
    isolate(state, process, options);
    ::sleep(pause_seconds);
    if (daemon.display_name != nullptr) name_process(state.server, daemon.display_name, daemon.name);
    daemon::run_process(options);
  } catch (const std::exception& error) {
    ap_log_error(APLOG_MARK, APLOG_CRIT, 0, process.group->server,
                 "SLC0497: daemon process '%s' ends, because its set-up failed: %s; the server starts another",
                 daemon.name, error.what());
  }
  ::_exit(1);
}

}  // namespace sluice::apache
