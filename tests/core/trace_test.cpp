// SPDX-License-Identifier: Apache-2.0
// Tests the parser of `traceparent`, whose text comes from clients.
#include "sluice/trace.hpp"

#include <cstddef>
#include <random>
#include <string>
#include <string_view>

#include "tests/catch.hpp"

namespace sluice::test {
namespace {

constexpr std::string_view kText = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

Trace expected(bool sampled) {
  return {.trace_id = {0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36},
          .span_id = {0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7},
          .sampled = sampled};
}

/// Returns the text with one part replaced.
std::string with(std::size_t at, std::string_view part) { return std::string(kText).replace(at, part.size(), part); }

}  // namespace

TEST_CASE("trace: a traceparent has the ids in the order in which they are written, and the flag") {
  CHECK(Trace::parse(kText) == expected(true));
  CHECK(Trace::parse(with(53, "00")) == expected(false));
  CHECK(Trace::parse(with(53, "fe")) == expected(false));
  CHECK(Trace::parse(with(53, "ff")) == expected(true));
}

TEST_CASE("trace: a later version may have more behind another dash") {
  CHECK(Trace::parse(with(0, "cc")) == expected(true));
  CHECK(Trace::parse(with(0, "01") + "-what-the-future-has") == expected(true));
  CHECK(Trace::parse(with(0, "01") + "-") == expected(true));
  CHECK_FALSE(Trace::parse(with(0, "01") + ".what"));
  CHECK_FALSE(Trace::parse(with(0, "01") + "00"));
}

TEST_CASE("trace: what is malformed or all zeros is refused") {
  const std::string text(kText);
  for (const std::string& malformed : {std::string(),
                                       std::string("00"),
                                       text.substr(0, 54),
                                       text + "-",
                                       text + "0",
                                       text + " ",
                                       " " + text,
                                       with(0, "ff"),
                                       with(0, "0g"),
                                       with(0, "0x"),
                                       with(2, "_"),
                                       with(35, " "),
                                       with(52, "."),
                                       with(53, "0A"),
                                       with(53, "-1"),
                                       with(3, "4BF9"),
                                       with(36, "00F0"),
                                       with(20, "-"),
                                       with(34, std::string_view("\0", 1)),
                                       with(3, std::string(32, '0')),
                                       with(36, std::string(16, '0'))}) {
    INFO(malformed);
    CHECK_FALSE(Trace::parse(malformed));
  }
}

TEST_CASE("trace: each single byte that is not a digit in its place is refused") {
  for (std::size_t at = 0; at < kText.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text(kText);
      text[at] = static_cast<char>(byte);
      const bool is_dash = kText[at] == '-';
      const bool is_digit = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
      INFO("byte " << byte << " at " << at);
      CHECK(Trace::parse(text).has_value() == (is_dash ? byte == '-' : is_digit));
    }
  }
}

TEST_CASE("trace: bytes at random, and every length of a valid text, are read without a fault") {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string text(random() % 70, '\0');
    for (char& byte : text) byte = static_cast<char>(random() % 256);
    CHECK_FALSE(Trace::parse(text));
  }
  for (std::size_t size = 0; size < kText.size(); ++size) {
    const std::string exact(kText.substr(0, size));  // a sanitizer sees a byte that is read behind it
    CHECK_FALSE(Trace::parse(exact));
    CHECK_FALSE(Trace::parse(kText.substr(0, size)));  // more of it stands behind the end
  }
}

TEST_CASE("trace: an id of zeros is none") {
  CHECK_FALSE(Trace().is_valid());
  CHECK_FALSE(Trace{.trace_id = {1}}.is_valid());
  CHECK_FALSE(Trace{.span_id = {1}}.is_valid());
  CHECK(Trace{.trace_id = {1}, .span_id = {1}}.is_valid());
}

}  // namespace sluice::test
