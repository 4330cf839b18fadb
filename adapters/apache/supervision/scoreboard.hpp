// SPDX-License-Identifier: Apache-2.0
// The scoreboard of Apache for server_metrics(): memory that all processes of the server share, including daemon
// processes.
#pragma once

#include "bindings/scoreboard.hpp"

namespace sluice::apache {

/// Returns the scoreboard; null when the server has none.
[[nodiscard]] const bindings::Scoreboard* scoreboard() noexcept;

}  // namespace sluice::apache
