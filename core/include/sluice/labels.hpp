// SPDX-License-Identifier: Apache-2.0
// Labels: what tells the points of one metric apart.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace sluice::inline v0_1 {

/// \addtogroup record
/// @{

/// The type of the value of a label, for formats that tell. A value that is not what its type says is written as text.
enum class LabelType : std::uint8_t {
  kText,     ///< Text.
  kInteger,  ///< A decimal number.
  kBoolean,  ///< `true` or `false`.
};

/// A label, tag or attribute. Any bytes are accepted: each format escapes what it has to, writes U+FFFD for what is not
/// UTF-8, and an underscore for what a name cannot contain. A label is left out if it has no name, if its name as
/// written came before, or if the encoder uses the name itself: `le`, `quantile`, `thread`, and the labels of the
/// schema.
struct Label {
  std::string_view name;              ///< Name of the label.
  std::string_view value;             ///< Value of the label.
  LabelType type = LabelType::kText;  ///< Type of the value.
};

/// The labels of a metric, not owned.
using Labels = std::span<const Label>;

/// @}

}  // namespace sluice
