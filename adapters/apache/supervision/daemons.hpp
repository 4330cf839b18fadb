// SPDX-License-Identifier: Apache-2.0
// Daemon processes as the server's parent sees them: their sockets, their forks, their deaths.
#pragma once

#include <ap_mpm.h>
#include <scoreboard.h>

#include "adapters/apache/supervision/parent_state.hpp"

namespace sluice::apache {

/// The hook post_config, after prepare_registry(): makes the sockets. Starts the processes too when the scoreboard that
/// they inherit exists already, as after a restart.
int prepare_daemons(apr_pool_t* pool, apr_pool_t* log_pool, apr_pool_t* temporary_pool, server_rec* server);

/// The hook pre_mpm, after the scoreboard has been made: starts the processes.
int start_daemons(apr_pool_t* pool, ap_scoreboard_e scoreboard);

/// The hook monitor, which the parent runs about every ten seconds: starts the processes that could not be created
/// before, and kills those that have stopped running.
int look_after_daemons(apr_pool_t* pool, server_rec* server);

/// Releases in a serving process what only the parent needs for daemon processes: its handler of SIGCHLD and the
/// listening sockets of the groups. For the hook child_init.
void leave_daemons_to_parent(ParentState& state) noexcept;

}  // namespace sluice::apache
