// SPDX-License-Identifier: Apache-2.0
// The fields of a response with those of the same name merged, as some servers send them. Knows nothing of Python or a
// server.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adapters/wsgi/request/response_head.hpp"

namespace sluice::wsgi {

struct MergedField {
  std::string_view name;  ///< Spelled as in the first field; views the merged fields.
  std::string value;
};

/// Whether fields of this name must not be merged, because the result would not have the meaning of both (RFC 9110,
/// section 5.3).
[[nodiscard]] bool stays_apart(std::string_view name) noexcept;

/// Whether fields of one name may be more than one, so that merge_fields() has something to do. Allocates nothing. Does
/// not look closely at more fields than responses usually have.
[[nodiscard]] bool may_need_merge(const Headers& headers) noexcept;

/// Joins the values of fields of the same name with ", ", in their order, at the position of the first. Ignores the
/// case of names. Keeps fields apart for which stays_apart(). The cost is linear in the size of the fields.
[[nodiscard]] std::vector<MergedField> merge_fields(const Headers& headers);

}  // namespace sluice::wsgi
