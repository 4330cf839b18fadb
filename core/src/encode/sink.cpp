// SPDX-License-Identifier: Apache-2.0
#include "encode/sink.hpp"

#include <array>
#include <charconv>

namespace sluice::inline v0_1::encode {
namespace {

constexpr std::array<char, 16> kHex = {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Returns the length of the well-formed character at the beginning (Unicode, table 3-7), or 0.
std::size_t well_formed(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto follows = [&](std::size_t i) { return (at(i) & 0xC0U) == 0x80U; };
  const unsigned first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const bool second = follows(1) && !(first == 0xE0 && at(1) < 0xA0) && !(first == 0xED && at(1) > 0x9F);
    return second && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const bool second = follows(1) && !(first == 0xF0 && at(1) < 0x90) && !(first == 0xF4 && at(1) > 0x8F);
    return second && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

void put_integer(Sink& sink, std::uint64_t value) noexcept {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), value).ptr;
  sink.put(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

void put_decimal(Sink& sink, std::uint64_t value, unsigned decimals, bool point) noexcept {
  std::uint64_t unit = 1;
  for (unsigned i = 0; i < decimals; ++i) unit *= 10;
  put_integer(sink, value / unit);
  std::uint64_t rest = value % unit;
  if (rest == 0) {
    if (point) sink.put(".0");
    return;
  }
  sink.put('.');
  while (rest != 0) {
    unit /= 10;
    sink.put(static_cast<char>('0' + rest / unit));
    rest %= unit;
  }
}

void put_double(Sink& sink, double value) noexcept {
  std::array<char, 400> digits{};  // the longest double has 309 digits before the point
  const auto [end, error] = std::to_chars(digits.begin(), digits.end(), value, std::chars_format::fixed);
  if (error == std::errc()) sink.put(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
}

std::string_view next_character(std::string_view& rest) noexcept {
  const std::size_t length = well_formed(rest);
  const std::string_view character = length != 0 ? rest.substr(0, length) : kReplacement;
  rest.remove_prefix(length != 0 ? length : 1);
  return character;
}

void put_json_text(Sink& sink, std::string_view text) noexcept {
  sink.put('"');
  for_each_character(text, [&sink](std::string_view character) {
    const auto byte = static_cast<unsigned char>(character[0]);
    if (character == "\"" || character == "\\") {
      sink.put('\\');
      sink.put(character);
    } else if (byte < ' ') {
      sink.put("\\u00");
      sink.put(kHex[byte >> 4U]);
      sink.put(kHex[byte & 0xFU]);
    } else {
      sink.put(character);
    }
  });
  sink.put('"');
}

}  // namespace sluice::encode
