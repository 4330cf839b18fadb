// SPDX-License-Identifier: Apache-2.0
// The identity of a distributed trace, by which an exemplar leads from a histogram to one request of it.
//
//   sluice::Recorder<Call> recorder({.threads = 8, .exemplars_from_ns = 500'000'000});
//   ...
//   if (const auto trace = sluice::Trace::parse(traceparent); trace && trace->sampled) request.set_trace(*trace);
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::inline v0_1 {

/// \addtogroup record_api
/// @{

/// A trace and a span of it, by W3C Trace Context and OpenTelemetry. A plain value.
struct Trace {
  std::array<std::uint8_t, 16> trace_id{};  ///< Id of the trace, in the order in which it is written.
  std::array<std::uint8_t, 8> span_id{};    ///< Id of a span, in the order in which it is written.
  bool sampled = false;                     ///< True if the caller says that it may have recorded the trace.

  /// Returns the trace of a `traceparent` header, in which the span is that of the caller. Takes version 00, and of
  /// later versions what version 00 has. Returns nothing if the text is malformed, as anything that a client sends may
  /// be, or if an id is all zeros. Any thread; allocates nothing.
  [[nodiscard, gnu::cold]] static std::optional<Trace> parse(std::string_view traceparent) noexcept;

  /// Returns true if neither id is all zeros.
  [[nodiscard]] constexpr bool is_valid() const noexcept {
    return trace_id != decltype(trace_id){} && span_id != decltype(span_id){};
  }
  /// Returns true for the same ids and the same flag.
  friend constexpr bool operator==(const Trace&, const Trace&) noexcept = default;
};

/// @}

}  // namespace sluice
