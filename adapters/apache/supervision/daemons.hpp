// Daemon processes as the server's parent sees them: their sockets, their forks, their deaths.
#pragma once

#include <ap_mpm.h>
#include <scoreboard.h>

#include "adapters/apache/server.hpp"

namespace sluice::apache {

/// The hook post_config: makes the sockets, and the processes if the scoreboard that they inherit is there already, as
/// after a restart.
int prepare_daemons(apr_pool_t* pool, apr_pool_t* log_pool, apr_pool_t* temporary_pool, server_rec* server);

/// The hook pre_mpm, after the scoreboard has been made: makes the processes.
int start_daemons(apr_pool_t* pool, ap_scoreboard_e scoreboard);

/// The hook monitor, which the parent runs about every ten seconds: makes the processes that could not be made before,
/// and kills those that do not run any more.
int look_after_daemons(apr_pool_t* pool, server_rec* server);

/// For the hook child_init: gives up in a child what the parent needs for daemon processes, its handler of SIGCHLD and
/// the groups' listening sockets.
void leave_daemons_to_parent() noexcept;

}  // namespace sluice::apache
