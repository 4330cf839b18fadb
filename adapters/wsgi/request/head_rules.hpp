// SPDX-License-Identifier: Apache-2.0
// The rules of PEP 3333 and RFC 9110 for the head of a response. Pure functions over text, so that heads from
// applications and heads from daemon processes pass the same checks.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "adapters/wsgi/request/response_head.hpp"

namespace sluice::wsgi {

inline constexpr int kStatusMin = 100;
inline constexpr int kStatusMax = 599;

/// A violation of a rule. `rule` has static storage; `text` views the checked text and may be empty.
struct HeadViolation {
  const char* rule;
  std::string_view text;
};

using HeadCheck = std::optional<HeadViolation>;

/// Checks "200 OK" or "200" and stores the number. The status is between kStatusMin and kStatusMax.
[[nodiscard]] HeadCheck check_status_line(std::string_view line, int& status);

/// Checks that a field name is a token and not that of a hop-by-hop field, which only the server may set.
[[nodiscard]] HeadCheck check_field_name(std::string_view name);

/// Whether only the server may set a field of this name, because it is about the connection.
[[nodiscard]] bool is_hop_by_hop(std::string_view name) noexcept;

/// Checks that a field value has no control character except the tab.
[[nodiscard]] HeadCheck check_field_value(std::string_view value);

/// Stores the Content-Length among the fields, or nullopt. Checks that it is a decimal number up to INT64_MAX and that
/// repeated fields have the same value.
[[nodiscard]] HeadCheck find_content_length(const Headers& headers, std::optional<std::uint64_t>& length);

/// Checks a head by all of the rules above, and that its status is the one in its status line.
[[nodiscard]] HeadCheck check_head(const ResponseHead& head, std::optional<std::uint64_t>& length);

/// Whether HTTP allows a response of this status to have a body.
[[nodiscard]] constexpr bool status_allows_body(int status) noexcept {
  return status >= 200 && status != 204 && status != 304;
}

/// Compares two names, ignoring the case of ASCII letters.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b) noexcept;

}  // namespace sluice::wsgi
