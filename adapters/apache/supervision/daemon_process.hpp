// SPDX-License-Identifier: Apache-2.0
// The first part of the life of a daemon process, from its fork until it has released everything of the server that it
// does not need.
#pragma once

#include "adapters/apache/supervision/parent_state.hpp"

namespace sluice::apache {

/// Turns a forked copy of the parent into the process of `daemon`, which waits for `pause_seconds` before it starts. On
/// an error, which is logged, the process ends.
[[noreturn]] void become_daemon(ParentState& state, const Daemon& daemon, unsigned pause_seconds) noexcept;

}  // namespace sluice::apache
