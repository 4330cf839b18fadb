// The registry of the server's processes: where each records, so that any of them can tell what all have counted. It
// outlives a reading of the configuration, and the module itself, which a restart unloads.
#pragma once

#include <ap_mpm.h>

#include <cstddef>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "adapters/apache/server.hpp"
#include "adapters/daemon/group.hpp"
#include "sluice/registry.hpp"

namespace sluice::apache {

// The parent. It assigns a slot before it forks, so that a process knows its own from its first instruction on.

/// The hook post_config, before daemon processes are made: finds or makes the registry, makes regions for all processes
/// that the configuration allows, and looks for processes that ended while this module was not there.
int prepare_registry(apr_pool_t* pool, apr_pool_t* log_pool, apr_pool_t* temporary_pool, server_rec* server);

/// Reserves a slot for a daemon process that is about to be forked. None, which is logged, if all slots are in use.
[[nodiscard]] std::optional<Registry::SlotId> reserve_slot(const daemon::Group& group);
void daemon_started(std::optional<Registry::SlotId> slot, pid_t pid) noexcept;
void daemon_not_started(std::optional<Registry::SlotId> slot) noexcept;

/// A process of the server has been waited for.
void process_ended(pid_t pid) noexcept;

/// The hook child_status, which the server's own processes cause.
void note_child(server_rec* server, pid_t pid, ap_generation_t generation, int number, mpm_child_status state);

/// The hook monitor.
int maintain_registry(apr_pool_t* pool, server_rec* server);

// Processes with a slot, before they run code of an application. Both return the memory to record in; empty: the
// process records in its own, which is logged.

/// In a daemon process: unmaps everything else that the registry shares.
[[nodiscard]] std::span<std::byte> isolate_daemon(std::optional<Registry::SlotId> slot) noexcept;
/// In a process of the server's: it can read what others count, and write nothing but its own.
[[nodiscard]] std::span<std::byte> enter_child() noexcept;

/// Returns the counts of all processes. In any process of the server's.
[[nodiscard]] absl::StatusOr<ServerReading> read_registry();

}  // namespace sluice::apache
