// SPDX-License-Identifier: Apache-2.0
// The caller's buffer, and functions that write numbers and text into it. Writing continues past its end without
// storing anything, so that the length of the whole output is known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "sluice/encode/encode.hpp"

namespace sluice::inline v0_1::encode {

/// Writes to a buffer of fixed size.
class Sink {
 public:
  explicit Sink(std::span<char> out) noexcept : out_(out) {}

  void put(char byte) noexcept {
    if (size_ < out_.size()) out_[size_] = byte;
    ++size_;
  }
  void put(std::string_view text) noexcept {
    // An empty text may have no address, which memcpy() does not take.
    if (!text.empty() && size_ + text.size() <= out_.size()) std::memcpy(out_.data() + size_, text.data(), text.size());
    size_ += text.size();
  }
  /// Overwrites a byte that was written before.
  void patch(std::size_t at, char byte) noexcept {
    if (at < out_.size()) out_[at] = byte;
  }
  void shrink(std::size_t size) noexcept { size_ = size; }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool fits() const noexcept { return size_ <= out_.size(); }
  [[nodiscard]] std::string_view text() const noexcept { return {out_.data(), size_}; }
  [[nodiscard]] Encoded done() const noexcept { return {size_, out_.size()}; }

 private:
  std::span<char> out_;
  std::size_t size_ = 0;
};

/// Puts an integer.
void put_integer(Sink& sink, std::uint64_t value) noexcept;

/// Puts value / 10^decimals exactly, without trailing zeros. If `point`, there is at least one digit after the point.
void put_decimal(Sink& sink, std::uint64_t value, unsigned decimals, bool point = false) noexcept;

/// Puts the shortest text that parses as this number, without an exponent.
void put_double(Sink& sink, double value) noexcept;

/// Removes and returns the first UTF-8 character of `rest`, or U+FFFD and one byte if there is none.
std::string_view next_character(std::string_view& rest) noexcept;

/// Calls `take(std::string_view)` for every character of a text.
template <class Take>
void for_each_character(std::string_view text, Take&& take) {
  while (!text.empty()) take(next_character(text));
}

/// Puts a text. Replaces each single-byte character by `replace(character)`, unless that is empty.
template <class Replace>
void put_escaped(Sink& sink, std::string_view text, Replace&& replace) {
  for_each_character(text, [&](std::string_view character) {
    const std::string_view instead = character.size() == 1 ? replace(character[0]) : std::string_view();
    sink.put(instead.empty() ? character : instead);
  });
}

/// Returns true if put_escaped() writes the same for both texts.
template <class Replace>
[[nodiscard]] bool same_escaped(std::string_view a, std::string_view b, Replace&& replace) noexcept {
  const auto next = [&](std::string_view& rest) {
    const std::string_view character = next_character(rest);
    const std::string_view instead = character.size() == 1 ? replace(character[0]) : std::string_view();
    return instead.empty() ? character : instead;
  };
  while (!a.empty() && !b.empty()) {
    if (next(a) != next(b)) return false;
  }
  return a.empty() && b.empty();
}

/// Puts a JSON string with its quotes.
void put_json_text(Sink& sink, std::string_view text) noexcept;

}  // namespace sluice::encode
