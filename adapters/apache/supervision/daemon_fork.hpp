// SPDX-License-Identifier: Apache-2.0
// The fork of one daemon process.
#pragma once

#include "adapters/apache/supervision/parent_state.hpp"

namespace sluice::apache {

/// Forks a process for `daemon`, after a wait of `pause_seconds` in the process itself. Returns false when no process
/// can be created, which is logged; the caller tries again later. Returns only in the parent.
[[nodiscard]] bool fork_daemon(ParentState& state, Daemon& daemon, unsigned pause_seconds);

/// Repairs the socket of a group, and replaces its processes if they listen at one that nobody can reach any more.
void repair_socket(ParentState& state, const daemon::DaemonOptions& options);

}  // namespace sluice::apache
