// SPDX-License-Identifier: Apache-2.0
// Names of families, as Prometheus has them, the format with the narrowest rules, and as the others have them: without
// their units.
#pragma once

#include <span>
#include <string_view>

#include "encode/family.hpp"
#include "sluice/schema_info.hpp"

namespace sluice::inline v0_1::encode {

/// Returns what follows the name of a family in the names of its samples; the empty text is the family itself.
[[nodiscard]] std::span<const std::string_view> suffixes_of(Kind kind) noexcept;

/// Returns true if a format would write a family, or one of its samples, under the name of another family or of one of
/// its samples. `prefix` is that of both.
[[nodiscard]] bool clash(const Family& a, const Family& b, std::string_view prefix) noexcept;

/// Returns true if a format would do so with a family and another one of a schema because of the values of its label.
[[nodiscard]] bool clash_with_values(const Family& family, const Family& other, const SchemaInfo& schema) noexcept;

}  // namespace sluice::encode
