// The caller's buffer, and the ways in which numbers and text get there. Writing goes on past its end without storing
// anything, so that the length of the whole is known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "sluice/encode/encode.hpp"

namespace sluice::encode {

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
  /// Overwrites a byte that was put before.
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

void put_integer(Sink& sink, std::uint64_t value) noexcept;

/// value / 10^decimals, exactly, without zeros at the end. `point`: with a digit after a point in any case.
void put_decimal(Sink& sink, std::uint64_t value, unsigned decimals, bool point = false) noexcept;

/// The shortest text that is read as this number, never with an exponent.
void put_double(Sink& sink, double value) noexcept;

/// Calls `each(std::string_view)` for every character of UTF-8; U+FFFD stands for what is none.
std::string_view next_character(std::string_view& rest) noexcept;

template <class Each>
void for_each_character(std::string_view text, Each&& each) {
  while (!text.empty()) each(next_character(text));
}

/// Puts a text with `replace(character)` in place of each single-byte character for which that is not empty.
template <class Replace>
void put_escaped(Sink& sink, std::string_view text, Replace&& replace) {
  for_each_character(text, [&](std::string_view character) {
    const std::string_view instead = character.size() == 1 ? replace(character[0]) : std::string_view();
    sink.put(instead.empty() ? character : instead);
  });
}

/// True if put_escaped() writes the same for both texts.
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

/// A string of JSON, its quotes included.
void put_json_text(Sink& sink, std::string_view text) noexcept;

}  // namespace sluice::encode
