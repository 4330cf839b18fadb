// SPDX-License-Identifier: Apache-2.0
// A strict parser of JSON (RFC 8259) that also rejects objects with two members of one name.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/input.hpp"
#include "tests/fuzz/utf8.hpp"

namespace sluice::fuzz {

struct Json {
  enum class Kind { kNull, kBool, kNumber, kText, kList, kObject };

  Kind kind = Kind::kNull;
  std::string text;  ///< The text, or the number or `true` or `false` as it was written.
  std::vector<Json> items;
  std::map<std::string, Json> members;

  [[nodiscard]] const Json& at(const std::string& name) const {
    const auto member = members.find(name);
    require(kind == Kind::kObject && member != members.end(), "an object has the member", name);
    return member->second;
  }
  [[nodiscard]] bool has(const std::string& name) const { return members.contains(name); }
  [[nodiscard]] const std::vector<Json>& list() const {
    require(kind == Kind::kList, "a value is a list");
    return items;
  }
  [[nodiscard]] const std::string& as_text() const {
    require(kind == Kind::kText, "a value is a text", text);
    return text;
  }
  [[nodiscard]] double as_number() const {
    require(kind == Kind::kNumber, "a value is a number", text);
    return std::strtod(text.c_str(), nullptr);
  }
};

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : whole_(text), rest_(text) {}

  Json parse() {
    check(is_utf8(rest_), "JSON is UTF-8");
    Json value = this->value();
    skip_space();
    check(rest_.empty(), "nothing follows the value");
    return value;
  }

 private:
  void check(bool holds, const char* what) const { require(holds, what, whole_); }

  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t\n\r"), rest_.size())); }

  bool take(char byte) {
    if (rest_.empty() || rest_[0] != byte) return false;
    rest_.remove_prefix(1);
    return true;
  }

  Json value() {
    skip_space();
    check(!rest_.empty(), "a value is there");
    if (rest_[0] == '{') return object();
    if (rest_[0] == '[') return list();
    if (rest_[0] == '"') return {.kind = Json::Kind::kText, .text = text()};
    for (const std::string_view word : {"true", "false", "null"}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return {.kind = word == "null" ? Json::Kind::kNull : Json::Kind::kBool, .text = std::string(word)};
    }
    return number();
  }

  Json object() {
    Json result{.kind = Json::Kind::kObject};
    take('{');
    skip_space();
    if (take('}')) return result;
    do {
      skip_space();
      std::string name = text();
      skip_space();
      check(take(':'), "a colon follows a name");
      check(result.members.emplace(std::move(name), value()).second, "a member comes once");
      skip_space();
    } while (take(','));
    check(take('}'), "an object is ended");
    return result;
  }

  Json list() {
    Json result{.kind = Json::Kind::kList};
    take('[');
    skip_space();
    if (take(']')) return result;
    do {
      result.items.push_back(value());
      skip_space();
    } while (take(','));
    check(take(']'), "a list is ended");
    return result;
  }

  std::size_t digits() {
    const std::size_t count = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    rest_.remove_prefix(count);
    return count;
  }

  Json number() {
    const std::string_view from = rest_;
    take('-');
    const bool zero = rest_.starts_with("0");
    const std::size_t whole = digits();
    check(whole == 1 || (whole > 1 && !zero), "a number has digits, and no zero before others");
    if (take('.')) check(digits() > 0, "digits follow the point");
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      check(digits() > 0, "an exponent has digits");
    }
    return {.kind = Json::Kind::kNumber, .text = std::string(from.substr(0, from.size() - rest_.size()))};
  }

  std::string text() {
    check(take('"'), "a text is quoted");
    std::string result;
    for (;;) {
      check(!rest_.empty(), "a text is ended");
      const char byte = rest_[0];
      rest_.remove_prefix(1);
      if (byte == '"') return result;
      check(static_cast<unsigned char>(byte) >= 0x20, "control characters are escaped");
      if (byte == '\\') {
        escaped(result);
      } else {
        result.push_back(byte);
      }
    }
  }

  void escaped(std::string& result) {
    check(!rest_.empty(), "an escape is whole");
    const char byte = rest_[0];
    rest_.remove_prefix(1);
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    if (const std::size_t at = kNames.find(byte); at != std::string_view::npos) {
      result.push_back(kMeant[at]);
      return;
    }
    check(byte == 'u' && rest_.size() >= 4, "an escape is known");
    const std::string hex(rest_.substr(0, 4));
    check(hex.find_first_not_of("0123456789abcdefABCDEF") == std::string::npos, "an escape has four digits");
    const unsigned long point = std::stoul(hex, nullptr, 16);
    check(point < 0x80, "only ASCII is escaped by number");
    result.push_back(static_cast<char>(point));
    rest_.remove_prefix(4);
  }

  std::string_view whole_;
  std::string_view rest_;
};

}  // namespace sluice::fuzz
