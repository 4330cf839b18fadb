// SPDX-License-Identifier: Apache-2.0
// Labels: what tells the points of one metric apart.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::inline v0_1 {

/// \addtogroup record_api
/// @{

/// The type of the value of a label, for formats that tell. A value that is not what its type says is written as text.
enum class LabelType : std::uint8_t {
  kText,     ///< Text.
  kInteger,  ///< A decimal number.
  kBoolean,  ///< `true` or `false`.
};

/// A label, tag or attribute. Any bytes are accepted: each format escapes what it has to, writes U+FFFD for what is not
/// UTF-8, and an underscore for what a name cannot contain. Of several underscores that a name then begins with,
/// Prometheus has one, because it reserves names with two. A label is left out if it has no name, if its name as
/// written came before, or if the name is in use: `le`, `quantile`, `thread`, `__name__`, the labels of the schema
/// including the names of its fields of classes, `process_group` beside process groups, and in InfluxDB `time`, and
/// `phase` beside histograms. A label of a series is left out for any of these names, whatever the format is, and if it
/// has no value.
struct Label {
  std::string_view name;              ///< Name of the label.
  std::string_view value;             ///< Value of the label.
  LabelType type = LabelType::kText;  ///< Type of the value.
};

/// The labels of a metric, not owned.
using Labels = std::span<const Label>;

/// @}

}  // namespace sluice
