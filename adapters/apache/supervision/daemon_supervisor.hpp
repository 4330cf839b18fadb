// SPDX-License-Identifier: Apache-2.0
// Daemon processes between their start and the end of their generation: their deaths, their replacements, and their
// heartbeats.
#pragma once

#include "adapters/apache/supervision/parent_state.hpp"

namespace sluice::apache {

/// Starts the daemon processes of this generation, once.
void start_all_daemons(ParentState& state);

/// Starts the processes that could not be created before, and replaces those that the handler of SIGCHLD has waited
/// for.
void start_missing_daemons(ParentState& state);

/// Kills the processes that have not beaten for their deadlock timeout, and those of previous generations that have not
/// ended in time; reminds the others of previous generations. Their deaths are noticed like any other.
void end_unwanted_daemons(ParentState& state);

/// Restores the default action of SIGCHLD, which start_all_daemons() replaces.
void restore_default_sigchld() noexcept;

}  // namespace sluice::apache
