// SPDX-License-Identifier: Apache-2.0
// A bound of the Vary fields of a response. Servers compare each name in them with each other one, so long lists cost
// them a time that is quadratic in the size. Knows nothing of Python or a server.
#pragma once

#include <cstddef>
#include <optional>

#include "adapters/wsgi/request/response_head.hpp"

namespace sluice::wsgi {

/// The largest number of bytes of all Vary fields together that is passed on as it is.
inline constexpr std::size_t kVaryMax = 512;

struct LimitedVary {
  Headers headers;  ///< All fields; a single Vary, where the first one was, replaces all of them.
  bool any;         ///< The Vary is "*", because the different names alone exceed kVaryMax.
};

/// Replaces Vary fields that exceed kVaryMax together: with a list of their names without those that are there already,
/// or with "*", by which no cache reuses the response. Empty when there is nothing to replace. The cost is linear in
/// the size of the fields.
[[nodiscard]] std::optional<LimitedVary> limit_vary(const Headers& headers);

}  // namespace sluice::wsgi
