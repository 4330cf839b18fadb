// SPDX-License-Identifier: Apache-2.0
// The families of a source: those of the catalogue, then gauges of the caller's own.
#pragma once

#include <string_view>

#include "encode/catalogue.hpp"

namespace sluice::inline v0_1::encode {

/// Calls the visitor with each family of the source in order, and with all gauges of one name together. Leaves out a
/// gauge that, with the prefix, has the name of another family or of its samples, and one that has the name and the
/// label of a gauge before it, because a text with both would be refused as a whole.
void visit(const Source& source, std::string_view prefix, FieldSet fields, Visitor& visitor);

}  // namespace sluice::encode
