// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/head_rules.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "absl/strings/ascii.h"

namespace sluice::wsgi {
namespace {

/// The characters of a token besides letters and digits: RFC 9110, section 5.6.2.
constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

/// Fields about the connection, which only the server may set.
constexpr std::array<std::string_view, 9> kHopByHop = {
    "connection",        "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "trailers",
    "transfer-encoding", "upgrade"};

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\t'; });
}

bool parse_length(std::string_view text, std::uint64_t& length) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, length);
  return error == std::errc() && stop == end && length <= INT64_MAX;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  const auto lower = [](char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); };
  return std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

HeadCheck check_status_line(std::string_view line, int& status) {
  const auto is_digit = [&](std::size_t i) {
    return i < line.size() && absl::ascii_isdigit(static_cast<unsigned char>(line[i]));
  };
  if (!is_digit(0) || !is_digit(1) || !is_digit(2) || is_digit(3)) {
    return HeadViolation{"status code must be a 3 digit integer", line};
  }
  int number = 0;
  std::from_chars(line.data(), line.data() + 3, number);
  if (number < kStatusMin || number > kStatusMax) {
    return HeadViolation{"status code must be between 100 and 599", line};
  }
  if (line.size() > 3 && line[3] != ' ') return HeadViolation{"no space following status code", line};
  if (has_control(line)) return HeadViolation{"control character in status reason phrase", line};
  status = number;
  return std::nullopt;
}

bool is_hop_by_hop(std::string_view name) noexcept {
  return std::any_of(kHopByHop.begin(), kHopByHop.end(),
                     [name](std::string_view forbidden) { return same_name(name, forbidden); });
}

HeadCheck check_field_name(std::string_view name) {
  if (name.empty()) return HeadViolation{"header name is empty", {}};
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_iscntrl(byte)) return HeadViolation{"control character in header name", name};
    if (c == ' ') return HeadViolation{"space character in header name", name};
    if (!absl::ascii_isalnum(byte) && kTokenMarks.find(c) == std::string_view::npos) {
      return HeadViolation{"character in header name that HTTP does not allow there", name};
    }
  }
  if (is_hop_by_hop(name)) return HeadViolation{"hop-by-hop header, which is for the server to set", name};
  return std::nullopt;
}

HeadCheck check_field_value(std::string_view value) {
  if (value.find_first_of("\r\n") != std::string_view::npos) {
    return HeadViolation{"carriage return/line feed character in header value", value};
  }
  if (has_control(value)) return HeadViolation{"control character in header value", value};
  return std::nullopt;
}

HeadCheck find_content_length(const Headers& headers, std::optional<std::uint64_t>& length) {
  length.reset();
  for (const auto& [name, value] : headers) {
    if (!same_name(name, "Content-Length")) continue;
    std::uint64_t parsed = 0;
    if (!parse_length(value, parsed) || (length && *length != parsed)) {
      return HeadViolation{"invalid Content-Length header value", value};
    }
    length = parsed;
  }
  return std::nullopt;
}

HeadCheck check_head(const ResponseHead& head, std::optional<std::uint64_t>& length) {
  int status = 0;
  if (HeadCheck broken = check_status_line(head.status_line, status)) return broken;
  if (status != head.status) return HeadViolation{"status code differs from its line", head.status_line};
  for (const auto& [name, value] : head.headers) {
    if (HeadCheck broken = check_field_name(name)) return broken;
    if (HeadCheck broken = check_field_value(value)) return broken;
  }
  return find_content_length(head.headers, length);
}

}  // namespace sluice::wsgi
