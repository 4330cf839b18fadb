// The scoreboard of Apache for server_metrics(): shared memory that all of its processes have, daemon processes, too.
#pragma once

#include "bindings/scoreboard.hpp"

namespace sluice::apache {

/// Null where the server has none.
[[nodiscard]] const bindings::Scoreboard* scoreboard() noexcept;

}  // namespace sluice::apache
