// The fields of a response as they go out where fields of the same name are merged. Knows nothing of Python or a
// server.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adapters/wsgi/request/response_head.hpp"

namespace sluice::wsgi {

struct MergedField {
  std::string_view name;  ///< As the first of them is written; a view into the fields that were merged.
  std::string value;
};

/// Whether each field of this name is a value of its own, which cannot be merged with others.
[[nodiscard]] bool stays_apart(std::string_view name) noexcept;

/// Joins the values of fields of the same name with ", ", in their order, at the place of the first; the case of names
/// does not matter. Fields that stay apart are not joined. Linear in the size of the
/// fields.
[[nodiscard]] std::vector<MergedField> merge_fields(const Headers& headers);

}  // namespace sluice::wsgi
