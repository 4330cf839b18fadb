// SPDX-License-Identifier: Apache-2.0
// The state of the server's parent: its daemon processes, their sockets, and the registry of all processes. Hooks
// obtain it with parent_state() and pass it to the functions that they call. A forked process has a copy.
#pragma once

#include <apr_thread_proc.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/supervision/daemon_sockets.hpp"
#include "adapters/apache/supervision/process_table.hpp"
#include "sluice/registry.hpp"

namespace sluice::apache {

/// The part that outlives a reading of the configuration, and the module itself, which a restart unloads: plain memory
/// of the process, all zeros at first.
struct RetainedState {
  DaemonSockets sockets;
  ProcessTable processes;
  std::uint64_t last_check_ns;
};

/// A daemon process that the configuration asks for, and in turn each process that replaces it.
struct Daemon {
  const DaemonGroup* group = nullptr;
  apr_proc_t process = {};
  bool running = false;
  int entry = ProcessTable::kNoEntry;      ///< Index in the process table; kNoEntry when the table was full.
  std::optional<Registry::SlotId> slot{};  ///< The slot of the registry; empty when the process is not counted.
  int early_ends = 0;                      ///< Number of ends in a row within a second and before a request was served.
  int short_lives = 0;                     ///< Number of ends in a row within a second.
  std::uint64_t started_ns = 0;
  daemon::Heartbeat* heartbeat = nullptr;
};

struct ParentState {
  RetainedState* retained = nullptr;      ///< Null before the second reading of the configuration.
  apr_pool_t* pool = nullptr;             ///< Lives as long as this generation.
  server_rec* server = nullptr;           ///< The main server.
  apr_array_header_t* daemons = nullptr;  ///< Elements: Daemon. Null before they are made, and after their end.
  pid_t pid = 0;                          ///< Process id of the parent.
  bool of_root = false;                   ///< Root has started the server, so other users serve the requests.
  bool started = false;                   ///< The daemon processes of this generation have been started.
  bool ending = false;                    ///< This generation ends, so processes are not replaced any more.

  std::optional<Registry> registry;  ///< Empty when the system has no memory to share, and in a daemon process.
  Registry::GroupId server_group{};  ///< The registry's group of the server's own processes.
  /// The slot of the server's own process that is forked next. The parent has reserved it, and the hook child_status
  /// tells it which process that was, so each such process finds its slot here in the memory that it inherited.
  std::optional<Registry::SlotId> next_child_slot;

  [[nodiscard]] std::span<Daemon> all_daemons() const noexcept;
  /// Returns true in the parent, and false in a forked copy of it.
  [[nodiscard]] bool in_parent() const noexcept;
};

/// Returns the state of this process.
[[nodiscard]] ParentState& parent_state() noexcept;

/// Returns true at the first of the two times that the server reads its configuration at its start, which only checks
/// it.
[[nodiscard]] bool is_first_reading() noexcept;

/// Begins a generation in the parent: sets what depends on the configuration that was just read.
void begin_generation(ParentState& state, apr_pool_t* pool, server_rec* server) noexcept;

/// Returns the retained state, which is created when there is none.
[[nodiscard]] RetainedState& retained_state();

}  // namespace sluice::apache
