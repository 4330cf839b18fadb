// The rules that the head of a response has to keep before any of it can reach a client: PEP 3333 and RFC 9110. Pure
// functions over text, so that a head from an application and a head from a daemon process pass the same ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "adapters/wsgi/request/response_head.hpp"

namespace sluice::wsgi {

inline constexpr int kStatusMin = 100;
inline constexpr int kStatusMax = 599;

/// A rule that a head breaks. `rule` has static storage; `text` is a view of what was checked, and may be empty.
struct HeadViolation {
  const char* rule;
  std::string_view text;
};

using HeadCheck = std::optional<HeadViolation>;

/// Checks "200 OK" or "200" and stores the number. The status is between kStatusMin and kStatusMax.
[[nodiscard]] HeadCheck check_status_line(std::string_view line, int& status);

/// A field name is a token, and not one of the fields that belong to the server's connection.
[[nodiscard]] HeadCheck check_field_name(std::string_view name);

/// A field value has no control character but the tab.
[[nodiscard]] HeadCheck check_field_value(std::string_view value);

/// Stores the Content-Length among the fields, or nothing. It is a number of digits up to INT64_MAX, and where it is
/// repeated, it is the same number each time.
[[nodiscard]] HeadCheck find_content_length(const Headers& headers, std::optional<std::uint64_t>& length);

/// Checks a whole head by all of the rules above, and that its number is the one that its line begins with.
[[nodiscard]] HeadCheck check_head(const ResponseHead& head, std::optional<std::uint64_t>& length);

/// Whether HTTP allows a response of this status to have a body.
[[nodiscard]] constexpr bool status_allows_body(int status) noexcept {
  return status >= 200 && status != 204 && status != 304;
}

/// Compares ASCII without regard to case.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b) noexcept;

}  // namespace sluice::wsgi
