// SPDX-License-Identifier: Apache-2.0
// A section of mod_status with the figures of all process groups. Has no effect when mod_status is not loaded.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// Registers the hook. Call it where the hooks of the module are registered.
void add_status_section();

}  // namespace sluice::apache
