// SPDX-License-Identifier: Apache-2.0
// The metrics of process groups, for all formats.
#pragma once

#include <span>

#include "encode/catalogue.hpp"
#include "sluice/registry.hpp"

namespace sluice::encode {

/// Calls the visitor with each family in order, and with the points of all readings for each family. If `named`, each
/// point has its process group.
void visit(std::span<const GroupReading> readings, bool named, Visitor& visitor);

}  // namespace sluice::encode
