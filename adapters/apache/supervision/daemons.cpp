// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/daemons.hpp"

#include <new>

#include "adapters/apache/supervision/daemon_fork.hpp"
#include "adapters/apache/supervision/daemon_supervisor.hpp"
#include "adapters/apache/supervision/generation_end.hpp"
#include "adapters/apache/supervision/process_registry.hpp"

namespace sluice::apache {
namespace {

std::span<DaemonGroup> configured_groups() {
  const apr_array_header_t* const groups = process_config().daemons;
  return {reinterpret_cast<DaemonGroup*>(groups->elts), static_cast<std::size_t>(groups->nelts)};
}

/// Makes or keeps the socket of each group that serves requests. Returns false after an error, which has been logged.
bool prepare_sockets(ParentState& state) {
  DaemonSockets& sockets = state.retained->sockets;
  sockets.begin_use();
  for (const DaemonGroup& group : configured_groups()) {
    if (group.options.serves()) sockets.keep(group.options, state.pool);
  }
  sockets.close_unused();
  for (DaemonGroup& group : configured_groups()) {
    if (!group.options.serves()) continue;
    const char* const path = sockets.use(group.options, state.pool, state.server);
    if (path == nullptr) return false;
    group.socket = apr_pstrdup(state.pool, path);
  }
  for (DaemonGroup& group : configured_groups()) group.keys = sockets.keys_of(group.options.name);
  return true;
}

/// Ends the generation when the server ends. The pool of the process ends before that of the configuration, which may
/// come after those of the logs.
apr_status_t on_server_end(void*) noexcept {
  ParentState& state = parent_state();
  if (!state.in_parent()) return APR_SUCCESS;
  end_generation(state);
  log_completed_requests(state);
  return APR_SUCCESS;
}

apr_status_t on_configuration_end(void*) noexcept {
  ParentState& state = parent_state();
  if (!state.in_parent() || state.daemons == nullptr) return APR_SUCCESS;
  // The module may be unloaded next, and its function with it.
  apr_pool_cleanup_kill(state.server->process->pool, nullptr, on_server_end);
  end_generation(state);
  return APR_SUCCESS;
}

}  // namespace

int prepare_daemons(apr_pool_t* pool, apr_pool_t*, apr_pool_t*, server_rec*) {
  if (is_first_reading()) return OK;
  ParentState& state = parent_state();
  state.retained = &retained_state();
  if (!prepare_sockets(state)) return HTTP_INTERNAL_SERVER_ERROR;
  state.daemons = apr_array_make(pool, 8, sizeof(Daemon));
  for (const DaemonGroup& group : configured_groups()) {
    for (int number = 0; number < group.options.processes; ++number) {
      ::new (apr_array_push(state.daemons)) Daemon{.group = &group};
    }
  }
  apr_pool_pre_cleanup_register(pool, nullptr, on_configuration_end);
  apr_pool_pre_cleanup_register(state.server->process->pool, nullptr, on_server_end);
  adopt_previous_generation(state);
  if (ap_scoreboard_image != nullptr) start_all_daemons(state);
  return OK;
}

int start_daemons(apr_pool_t*, ap_scoreboard_e) {
  start_all_daemons(parent_state());
  return OK;
}

int look_after_daemons(apr_pool_t*, server_rec*) {
  ParentState& state = parent_state();
  if (!state.in_parent() || state.ending) return OK;
  for (const DaemonGroup& group : configured_groups()) {
    if (state.retained->sockets.is_gone(group.options.name)) repair_socket(state, group.options);
  }
  start_missing_daemons(state);
  release_reaped(state);
  end_unwanted_daemons(state);
  return OK;
}

void leave_daemons_to_parent(ParentState& state) noexcept {
  restore_default_sigchld();
  if (state.retained != nullptr && !state.in_parent()) state.retained->sockets.close_descriptors();
}

}  // namespace sluice::apache
