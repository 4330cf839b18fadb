// SPDX-License-Identifier: Apache-2.0
// The registry of the server's processes: the memory in which each of them records, so that any of them can report the
// counts of all. It outlives a reading of the configuration, and the module itself, which a restart unloads.
#pragma once

#include <ap_mpm.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "adapters/apache/supervision/parent_state.hpp"
#include "sluice/registry.hpp"

namespace sluice::apache {

// The parent. It assigns a slot before it forks, so that a process knows its own from its first instruction on.

/// The hook post_config, before daemon processes are made: begins the generation, finds or makes the registry, makes
/// regions for all processes that the configuration allows, and counts the processes that ended while the module was
/// not loaded.
int prepare_registry(apr_pool_t* pool, apr_pool_t* log_pool, apr_pool_t* temporary_pool, server_rec* server);

/// Reserves a slot for a daemon process that is about to be forked. Empty when there is none, which
/// is logged.
[[nodiscard]] std::optional<Registry::SlotId> reserve_slot(ParentState& state, const daemon::DaemonOptions& options);
void daemon_started(ParentState& state, std::optional<Registry::SlotId> slot, pid_t pid) noexcept;
void daemon_not_started(ParentState& state, std::optional<Registry::SlotId> slot) noexcept;

/// Records the end of a process of the server that has been waited for.
void process_ended(ParentState& state, pid_t pid) noexcept;
/// Does the same in the handler of SIGCHLD, which has waited for the process itself and knows its CPU time. The other
/// functions of the parent block the signal, but for prepare_registry(), during which its action is the default one.
void process_reaped(ParentState& state, pid_t pid, std::uint64_t cpu_us) noexcept;

/// The hook child_status, which the server runs for its own processes.
void note_child(server_rec* server, pid_t pid, ap_generation_t generation, int number, mpm_child_status child_state);

/// The hook monitor: counts the ends of processes that nobody has waited for.
int maintain_registry(apr_pool_t* pool, server_rec* server);

// Processes with a slot, before they run code of an application. Both functions return the memory to record in. It is
// empty when the process has to record in memory of its own, which the parent has logged.

/// In a daemon process: unmaps everything else that the registry shares.
[[nodiscard]] std::span<std::byte> isolate_daemon(ParentState& state, std::optional<Registry::SlotId> slot) noexcept;
/// In a serving process: it can read what other processes count, and write only its own region.
[[nodiscard]] std::span<std::byte> enter_child(ParentState& state) noexcept;

/// Logs how many requests all processes have completed, in the parent when they have ended.
void log_completed_requests(const ParentState& state) noexcept;

/// Returns the counts of all processes. In the parent and in any serving process.
[[nodiscard]] absl::StatusOr<ServerReading> read_registry(const ParentState& state);

}  // namespace sluice::apache
