// SPDX-License-Identifier: Apache-2.0
// The end of a generation of daemon processes, when the server restarts or stops, and the processes that outlive it.
#pragma once

#include "adapters/apache/supervision/parent_state.hpp"

namespace sluice::apache {

/// Takes over the processes of previous generations that are still alive, so that the server does not report their end
/// as that of unknown children.
void adopt_previous_generation(ParentState& state);

/// Releases what the parent keeps for processes of previous generations that its handler of SIGCHLD has waited for.
void release_reaped(ParentState& state) noexcept;

/// Ends the daemon processes. After a graceful restart they finish their requests beside the next generation; otherwise
/// this blocks until they have ended, for their shutdown timeout and about 3 s more at most.
void end_generation(ParentState& state) noexcept;

}  // namespace sluice::apache
