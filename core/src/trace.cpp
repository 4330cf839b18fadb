// SPDX-License-Identifier: Apache-2.0
#include "sluice/trace.hpp"

#include <cstddef>
#include <span>

namespace sluice::inline v0_1 {
namespace {

/// Returns the value of a hexadecimal digit, which Trace Context has only in lower case; -1 for other characters.
constexpr int digit_of(char byte) noexcept {
  if (byte >= '0' && byte <= '9') return byte - '0';
  return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/// Reads twice as many digits as there are bytes, from `at` on. Returns false if something else is there.
bool read_bytes(std::string_view text, std::size_t at, std::span<std::uint8_t> to) noexcept {
  for (std::uint8_t& byte : to) {
    const int high = digit_of(text[at++]);
    const int low = digit_of(text[at++]);
    if (high < 0 || low < 0) return false;
    byte = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

}  // namespace

// version "-" trace-id "-" parent-id "-" flags; later versions may have more, behind another "-"
std::optional<Trace> Trace::parse(std::string_view traceparent) noexcept {
  constexpr std::size_t kTraceId = 3;
  constexpr std::size_t kSpanId = kTraceId + 2 * sizeof Trace::trace_id + 1;
  constexpr std::size_t kFlags = kSpanId + 2 * sizeof Trace::span_id + 1;
  constexpr std::size_t kSize = kFlags + 2;
  constexpr std::uint8_t kNoVersion = 0xFF;
  if (traceparent.size() < kSize) return std::nullopt;
  for (const std::size_t dash : {kTraceId, kSpanId, kFlags}) {
    if (traceparent[dash - 1] != '-') return std::nullopt;
  }
  Trace trace;
  std::uint8_t version = 0;
  std::uint8_t flags = 0;
  const bool has_digits =
      read_bytes(traceparent, 0, {&version, 1}) && read_bytes(traceparent, kTraceId, trace.trace_id) &&
      read_bytes(traceparent, kSpanId, trace.span_id) && read_bytes(traceparent, kFlags, {&flags, 1});
  if (!has_digits || version == kNoVersion || !trace.is_valid()) return std::nullopt;
  if (traceparent.size() > kSize && (version == 0 || traceparent[kSize] != '-')) return std::nullopt;
  trace.sampled = (flags & 1U) != 0;
  return trace;
}

}  // namespace sluice
