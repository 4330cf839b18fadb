// SPDX-License-Identifier: Apache-2.0
// Decodes UTF-8 by code point, independently of the encoders, which use ranges of bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::fuzz {

/// A code point at the beginning of a text, and its length in bytes.
struct CodePoint {
  std::uint32_t value;
  std::size_t size;
};

inline std::optional<CodePoint> first_code_point(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return CodePoint{lead, 1};
  std::size_t size = 0;
  while (size < 8 && (lead << size & 0x80) != 0) ++size;
  if (size < 2 || size > 4 || text.size() < size) return std::nullopt;
  std::uint32_t value = lead & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if (next >> 6 != 2) return std::nullopt;
    value = value << 6 | (next & 0x3FU);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kLeast[size] || value > 0x10FFFF || surrogate) return std::nullopt;
  return CodePoint{value, size};
}

inline bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto other = std::find_if(text.begin(), text.end(), [](char c) { return static_cast<signed char>(c) < 0; });
    text.remove_prefix(static_cast<std::size_t>(other - text.begin()));
    if (text.empty()) return true;
    const auto point = first_code_point(text);
    if (!point) return false;
    text.remove_prefix(point->size);
  }
  return true;
}

/// Returns the text with U+FFFD for each byte that begins no code point, and `replace(byte)` for each ASCII byte.
template <class Replace>
std::string rewritten(std::string_view text, Replace&& replace) {
  std::string result;
  while (!text.empty()) {
    const auto point = first_code_point(text);
    if (!point) {
      result += "\xEF\xBF\xBD";
    } else if (point->size == 1) {
      result += replace(text[0]);
    } else {
      result += text.substr(0, point->size);
    }
    text.remove_prefix(point ? point->size : 1);
  }
  return result;
}

inline std::string with_replacements(std::string_view text) {
  return rewritten(text, [](char byte) { return byte; });
}

}  // namespace sluice::fuzz
