// SPDX-License-Identifier: Apache-2.0
// The labels of a series as all formats can write them.
#pragma once

#include <string>
#include <vector>

#include "series_names.hpp"
#include "sluice/labels.hpp"
#include "sluice/schema_info.hpp"
#include "sluice/series.hpp"

namespace sluice::inline v0_1::detail {

/// A label that owns its text.
struct OwnedLabel {
  std::string name;
  std::string value;
  LabelType type = LabelType::kText;
};

/// Returns the labels that can be written beside those of the schema and of the formats, by name. Sets of labels that a
/// format could not tell apart become equal: a label without a name or a value is left out, as is one whose name, as
/// Prometheus has it, came before; values become UTF-8 without line breaks. \throws std::bad_alloc
[[nodiscard]] std::vector<OwnedLabel> writable_labels(Labels labels, const SchemaInfo& schema);

/// Returns the series of these labels, as formats can write them beside those of the schema. \throws std::bad_alloc
[[nodiscard]] Series resolve(SeriesNames& names, Labels labels, const SchemaInfo& schema, SeriesNames::IfNew if_new);

}  // namespace sluice::detail
