// SPDX-License-Identifier: Apache-2.0
// The bounds of the histograms by their definition, without the tables of the code under test. They are computed in
// milliseconds as floating-point numbers, which are exact here.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

namespace sluice::test {

/// Returns the smallest whole number of microseconds that is not less.
inline std::uint64_t from_ms(double ms) { return static_cast<std::uint64_t>(std::ceil(ms * 1000)); }

inline std::vector<std::uint64_t> quarters_by_definition() {
  std::vector<std::uint64_t> bounds;
  for (int octave = 0; octave < 16; ++octave) {
    for (int quarter = 1; quarter <= 4; ++quarter) bounds.push_back(from_ms(std::ldexp(1.0 + quarter / 4.0, octave)));
  }
  return bounds;
}

inline std::vector<std::uint64_t> octaves_by_definition() {
  std::vector<std::uint64_t> bounds;
  for (int octave = -7; octave <= 16; ++octave) bounds.push_back(from_ms(std::ldexp(1.0, octave)));
  return bounds;
}

/// Returns the bounds of OpenTelemetry. A duration on one of them belongs to the lower bucket.
inline std::vector<std::uint64_t> otel_http_bounds_by_definition() {
  std::vector<std::uint64_t> bounds;
  for (const double seconds : {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0}) {
    bounds.push_back(static_cast<std::uint64_t>(std::llround(seconds * 1e6)) + 1);
  }
  return bounds;
}

inline std::vector<std::uint64_t> all_by_definition() {
  std::set<std::uint64_t> bounds;
  for (const auto& some : {quarters_by_definition(), octaves_by_definition(), otel_http_bounds_by_definition()}) {
    bounds.insert(some.begin(), some.end());
  }
  return {bounds.begin(), bounds.end()};
}

/// Returns the number of bounds that a duration has reached.
inline std::size_t entry_by_definition(const std::vector<std::uint64_t>& bounds, std::uint64_t us) {
  return static_cast<std::size_t>(
      std::count_if(bounds.begin(), bounds.end(), [us](std::uint64_t bound) { return us >= bound; }));
}

/// Returns the smallest duration of the bucket that contains a duration.
inline std::uint64_t lower_bound_by_definition(std::uint64_t us) {
  static const std::vector<std::uint64_t> bounds = all_by_definition();
  const auto above = std::upper_bound(bounds.begin(), bounds.end(), us);
  return above == bounds.begin() ? 0 : *(above - 1);
}

}  // namespace sluice::test
