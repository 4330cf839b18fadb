// Where the server's processes record: memory that the parent shares with them, so that any of them can tell what all
// have counted. It outlives a reading of the configuration, and the module itself, which a restart unloads.
#pragma once

#include <ap_mpm.h>

#include <cstddef>
#include <span>

#include "absl/status/statusor.h"
#include "adapters/apache/server.hpp"
#include "adapters/daemon/group.hpp"
#include "sluice/registry.hpp"

namespace sluice::apache {

// The parent.

/// The hook post_config, before daemon processes are made: finds or makes the memory, and looks for processes that
/// ended while this module was not there.
int prepare_places(apr_pool_t* pool, apr_pool_t* log_pool, apr_pool_t* temporary_pool, server_rec* server);

/// A place for a daemon process that is about to be forked; Registry::kNoPlace if it gets none, which is logged.
[[nodiscard]] int reserve_place(const daemon::Group& group);
void daemon_started(int place, pid_t pid) noexcept;
void daemon_not_started(int place) noexcept;

/// A process of the server's has been waited for.
void process_ended(pid_t pid) noexcept;

/// The hook child_status: of the server's own processes.
void note_child(server_rec* server, pid_t pid, ap_generation_t generation, int slot, mpm_child_status state);

/// The hook monitor.
int look_after_places(apr_pool_t* pool, server_rec* server);

// Processes with a place. Both give the memory to record in; empty: the process records in its own, which is logged.

/// In a daemon process: everything else that the server's processes share is out of its reach from now on.
[[nodiscard]] std::span<std::byte> enter_place(int place) noexcept;
/// In a process of the server's: it may read everything else from now on, and write nothing.
[[nodiscard]] std::span<std::byte> claim_place(std::size_t threads) noexcept;

/// What all have counted. In any process of the server's.
[[nodiscard]] absl::StatusOr<ServerReading> read_places();

}  // namespace sluice::apache
