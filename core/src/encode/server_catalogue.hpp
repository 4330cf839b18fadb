// The metrics of process groups, for every format that tells of them.
#pragma once

#include <span>

#include "encode/catalogue.hpp"
#include "sluice/registry.hpp"

namespace sluice::encode {

/// Calls the visitor with each family in order, and each family's points of all readings together; `named`: each with
/// its process group.
void visit(std::span<const GroupReading> readings, bool named, Visitor& visitor);

}  // namespace sluice::encode
