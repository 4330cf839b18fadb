// SPDX-License-Identifier: Apache-2.0
// Decides whether a client sees a head of a response as one response with these fields. Written from RFC 9110 and RFC
// 9112, independently of the module's rules.
#pragma once

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/wsgi/request/response_head.hpp"
#include "tests/fuzz/input.hpp"

namespace sluice::fuzz {

inline std::string lowered(std::string_view text) {
  std::string lower(text);
  for (char& character : lower) character = static_cast<char>(std::tolower(static_cast<unsigned char>(character)));
  return lower;
}

/// Returns the head in the syntax of HTTP/1.1.
inline std::string serialized(const wsgi::ResponseHead& head) {
  std::string text = "HTTP/1.1 " + head.status_line + "\r\n";
  for (const auto& [name, value] : head.headers) text += name + ": " + value + "\r\n";
  return text + "\r\n";
}

inline bool is_token(std::string_view name) {
  constexpr std::string_view kToken = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return !name.empty() && name.find_first_not_of(kToken) == std::string_view::npos;
}

/// Reads the head as a client would that takes a lone CR or LF for the end of a line and stops at a zero byte.
inline void require_reads_back(const wsgi::ResponseHead& head) {
  const std::string text = serialized(head);
  require(text.find('\0') == std::string::npos, "a head has no zero byte", text);
  std::size_t lines = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r') require(i + 1 < text.size() && text[i + 1] == '\n', "a CR begins the end of a line", text);
    if (text[i] == '\n') require(i > 0 && text[i - 1] == '\r', "a LF ends a line", text);
    lines += text[i] == '\n' ? 1 : 0;
  }
  require(lines == head.headers.size() + 2, "a head has a line for each field", text);
  require(text.find("\r\n\r\n") == text.size() - 4, "a head ends once", text);
  require(text.find("\r\n ") == std::string::npos && text.find("\r\n\t") == std::string::npos, "no line is folded",
          text);
}

/// Checks that a head may be sent to a client.
inline void require_sound(const wsgi::ResponseHead& head, const std::optional<std::uint64_t>& length) {
  const std::string text = serialized(head);
  require(head.status >= 100 && head.status <= 599, "a status is from 100 to 599", text);
  const std::string digits = std::to_string(head.status);
  const bool plain = head.status_line == digits || head.status_line.starts_with(digits + " ");
  require(plain, "the line begins with the status", text);
  std::optional<std::uint64_t> field_length;
  for (const auto& [name, value] : head.headers) {
    require(is_token(name), "the name of a field is a token", name);
    for (const char* own : {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}) {
      require(lowered(name) != own, "the fields of the connection are the server's", name);
    }
    for (const char character : value) {
      const auto byte = static_cast<unsigned char>(character);
      require((byte >= 0x20 && byte != 0x7F) || byte == '\t', "a value has no control character", text);
    }
    if (lowered(name) != "content-length") continue;
    const bool number = !value.empty() && value.find_first_not_of("0123456789") == std::string::npos;
    require(number && value.size() < 40, "a length is a number", text);
    const std::size_t from = std::min(value.find_first_not_of('0'), value.size() - 1);
    require(value.size() - from <= 19, "a length fits 63 bits", text);
    const std::uint64_t bytes = std::stoull(value.substr(from));
    require(bytes <= INT64_MAX && (!field_length || *field_length == bytes), "lengths agree", text);
    field_length = bytes;
  }
  require(field_length == length, "the length is that of the fields", text);
  require_reads_back(head);
}

/// Returns a head that may keep the rules or break any of them.
inline wsgi::ResponseHead head_of(Input& input) {
  constexpr const char* kLines[] = {"200 OK",          "404 Not Found", "204 No Content", "100 Continue", "099 Low",
                                    "600 High",        "200",           "2000 OK",        "200OK",        " 200 OK",
                                    "304 Not Modified"};
  constexpr const char* kNames[] = {"Content-Length", "content-length",   "X-A", "Set-Cookie", "Transfer-Encoding",
                                    "Connection",     "WWW-Authenticate", "x-a", "Upgrade",    "Keep-Alive"};
  constexpr const char* kValues[] = {"5", "05", "0",      "+5", "5 ", "9223372036854775807", "9223372036854775808",
                                     "a", "",   "chunked"};
  wsgi::ResponseHead head;
  head.status_line = input.flag() ? kLines[input.choice(std::size(kLines) - 1)] : "200 " + input.text(20);
  head.status = input.choice(15) == 15 ? static_cast<int>(input.integer(2)) : std::atoi(head.status_line.c_str());
  for (std::size_t i = input.choice(6); i > 0; --i) {
    std::string name = input.flag() ? kNames[input.choice(std::size(kNames) - 1)] : input.text(12);
    std::string value = input.flag() ? kValues[input.choice(std::size(kValues) - 1)] : input.text(30);
    head.headers.emplace_back(std::move(name), std::move(value));
  }
  return head;
}

}  // namespace sluice::fuzz
