// A section of mod_status: the process groups at a glance. Nothing comes of it where mod_status is not loaded.
#pragma once

#include "adapters/apache/server.hpp"

namespace sluice::apache {

/// Among the hooks of the module.
void add_status_section();

}  // namespace sluice::apache
