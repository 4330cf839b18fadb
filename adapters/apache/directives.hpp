// The directives: their syntax, and where they are allowed.
#pragma once

#include "adapters/apache/server.hpp"

namespace sluice::apache {

/// Ends with an entry without a name.
extern const command_rec directives[];

}  // namespace sluice::apache
