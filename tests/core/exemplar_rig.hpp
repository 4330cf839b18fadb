// SPDX-License-Identifier: Apache-2.0
// Requests with traces on a clock that moves when it is told to, and the exemplars that come of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "sluice/encode/exposition.hpp"
#include "sluice/exemplar.hpp"
#include "sluice/http.hpp"
#include "sluice/manual_clock.hpp"

namespace sluice::test {

using HttpRecorder = http::Recorder;
using Lines = std::vector<std::string>;

inline constexpr std::uint64_t kSlowNs = 1'000'000;
inline constexpr std::int64_t kWallNs = 1'700'000'000'000'000'000;  // where ManualClock begins

/// Returns a trace whose bytes all are `n`.
inline Trace trace_of(std::uint8_t n) {
  Trace trace{.sampled = n % 2 != 0};
  trace.trace_id.fill(n);
  trace.span_id.fill(n);
  return trace;
}

/// A recorder with a clock that moves when it is told to.
struct Rig {
  explicit Rig(RecorderOptions options) : recorder(with_clock(options)) {}

  RecorderOptions with_clock(RecorderOptions options) {
    options.clock = &clock;
    return options;
  }
  void serve(http::Worker& worker, std::uint64_t ns, const Trace& trace) {
    http::InFlight request = worker.begin();
    request.set_trace(trace);
    clock.advance_ns(ns);
    request.finish({.status = 200});
  }

  ManualClock clock;
  HttpRecorder recorder;
  Reader reader = recorder.add_reader();
};

/// Returns the traces of exemplars, by the byte that trace_of() was given, in ascending order.
inline std::vector<int> traces(const Window& window) {
  std::vector<int> numbers;
  for (const Exemplar& exemplar : window.exemplars) numbers.push_back(exemplar.trace.trace_id[0]);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

inline std::string text_of(const Window& window, encode::Format format = encode::Format::kOpenMetrics,
                           Resolution resolution = Resolution::kByFormat) {
  std::string text;
  encode::fill(text, [&](std::span<char> out) {
    return encode::exposition({.window = &window}, {.format = format, .histograms = {.resolution = resolution}}, out);
  });
  return text;
}

/// Returns the lines with exemplars.
inline Lines exemplar_lines(const std::string& text) {
  Lines lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    if (line.find(" # ") != std::string::npos) lines.push_back(line);
    at = end + 1;
  }
  return lines;
}

}  // namespace sluice::test
