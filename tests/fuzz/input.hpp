// SPDX-License-Identifier: Apache-2.0
// Reads the bytes that libFuzzer chose as values of the types that the targets need. After the end of the input, values
// are zeros and empty texts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>

namespace sluice::fuzz {

/// Ends the program with a report of libFuzzer unless `holds`. `what` names the property, `text` shows the evidence.
inline void require(bool holds, const char* what, std::string_view text = {}) {
  if (holds) return;
  std::fprintf(stderr, "property violated: %s\n%.*s\n", what,
               static_cast<int>(std::min<std::size_t>(text.size(), 4000)), text.data());
  std::abort();
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) noexcept : rest_(data, size) {}

  [[nodiscard]] bool empty() const noexcept { return rest_.empty(); }

  std::uint8_t byte() noexcept {
    if (rest_.empty()) return 0;
    const std::uint8_t first = rest_.front();
    rest_ = rest_.subspan(1);
    return first;
  }

  bool flag() noexcept { return (byte() & 1U) != 0; }

  /// Returns a number of at most `most`, which is below 256.
  std::size_t choice(std::size_t most) noexcept { return byte() % (most + 1); }

  /// Returns a little-endian integer of `bytes` bytes.
  std::uint64_t integer(std::size_t bytes) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value |= std::uint64_t{byte()} << (8 * i);
    return value;
  }

  /// Returns a number below 2^56. Its size is chosen too, so that small and large numbers are equally likely.
  std::uint64_t number() noexcept { return integer(choice(7)); }

  /// Returns a text of at most `most` bytes; `most` is below 128. Every second text has few letters, many special
  /// characters of the formats, and bytes that are not UTF-8.
  std::string text(std::size_t most) {
    const std::uint8_t form = byte();
    const std::size_t size = std::min((form >> 1U) % (most + 1), rest_.size());
    std::string taken(reinterpret_cast<const char*>(rest_.data()), size);
    rest_ = rest_.subspan(size);
    if ((form & 1U) != 0) {
      for (char& byte : taken) byte = kTelling[static_cast<unsigned char>(byte) % kTelling.size()];
    }
    return taken;
  }

  [[nodiscard]] std::string_view rest() const noexcept {
    return {reinterpret_cast<const char*>(rest_.data()), rest_.size()};
  }

 private:
  static constexpr std::string_view kTelling = "ab1_\n\r\t\\\"',=|#:;@/ {}%.-\x7f\xc3\xa9\xff\xed\xa0\x80\xf0";

  std::span<const std::uint8_t> rest_;
};

}  // namespace sluice::fuzz
