// SPDX-License-Identifier: Apache-2.0
// The bucket boundaries of every phase. One recording serves every view, because the layout contains the bounds of all
// of them:
//
//   octaves below 1 ms    1/128 ms, 1/64 ms, ..., 1/2 ms, 1 ms
//   quarters of octaves   1.25 ms, 1.5 ms, 1.75 ms, 2 ms, 2.5 ms, ..., 65536 ms
//   OpenTelemetry         5 ms, 10 ms, 25 ms, ..., 10 s, as advised for http.server.request.duration
//
// Buckets are [lower, upper) over whole microseconds. The bounds of OpenTelemetry are inclusive, so a duration on one
// of them belongs to the lower bucket; the layout has these bounds one microsecond higher.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "sluice/buckets.hpp"

namespace sluice::wsgi {

/// Bounds of buckets in microseconds, each the smallest duration of a bucket.
namespace bounds {

inline constexpr std::size_t kQuartersOfOctave = 4;  ///< Bounds in an octave of kQuarterOctaves.

/// Octaves from 1/128 ms to 1 ms, rounded up to whole microseconds because durations are whole.
inline constexpr auto kUpToMillisecond = [] {
  std::array<std::uint64_t, 8> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = (1000 + (128U >> i) - 1) / (128U >> i);
  return bounds;
}();

/// Quarters of octaves from 1.25 ms to 65536 ms.
inline constexpr auto kQuarterOctaves = [] {
  std::array<std::uint64_t, 16 * kQuartersOfOctave> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i) {
    const std::size_t quarters = i + 1;
    bounds[i] = (std::uint64_t{250} << quarters / kQuartersOfOctave) * (4 + quarters % kQuartersOfOctave);
  }
  return bounds;
}();

/// Octaves from 1/128 ms to 65536 ms.
inline constexpr auto kOctaves = [] {
  constexpr std::size_t kBelow = kUpToMillisecond.size();
  std::array<std::uint64_t, kBelow + kQuarterOctaves.size() / kQuartersOfOctave> octaves{};
  std::copy(kUpToMillisecond.begin(), kUpToMillisecond.end(), octaves.begin());
  for (std::size_t i = kBelow; i < octaves.size(); ++i) {
    octaves[i] = kQuarterOctaves[kQuartersOfOctave * (i - kBelow + 1) - 1];
  }
  return octaves;
}();

/// Bounds that the semantic conventions of OpenTelemetry advise for http.server.request.duration, each plus 1 us.
inline constexpr auto kOtel = [] {
  std::array<std::uint64_t, 14> bounds{5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};
  for (std::uint64_t& bound : bounds) bound = bound * 1000 + 1;
  return bounds;
}();

/// The bounds of all lists above, ascending.
inline constexpr auto kAll = [] {
  std::array<std::uint64_t, kUpToMillisecond.size() + kQuarterOctaves.size() + kOtel.size()> bounds{};
  auto end = std::copy(kUpToMillisecond.begin(), kUpToMillisecond.end(), bounds.begin());
  end = std::copy(kQuarterOctaves.begin(), kQuarterOctaves.end(), end);
  std::copy(kOtel.begin(), kOtel.end(), end);
  std::sort(bounds.begin(), bounds.end());
  return bounds;
}();

}  // namespace bounds

/// The bucket layout of all phases: 87 buckets.
using BucketLayout =
    Buckets<bounds::kAll, Views<bounds::kQuarterOctaves, bounds::kOctaves, bounds::kOtel, bounds::kOtel>>;

/// Views of the layout.
namespace views {

/// 65 entries: up to 1.25 ms, 63 quarters of octaves, and from 65536 ms on.
inline constexpr const View& kQuarterOctaves = BucketLayout::kInfo.quarter_octaves;
/// 25 entries: octaves from 1/128 ms to 65536 ms, and one at either end.
inline constexpr const View& kOctaves = BucketLayout::kInfo.octaves;
/// 15 entries: the bounds that OpenTelemetry advises for http.server.request.duration.
inline constexpr const View& kOtel = BucketLayout::kInfo.otel;
/// 87 entries: every bucket.
inline constexpr const View& kAll = BucketLayout::kInfo.all;

static_assert(kQuarterOctaves.size() == 65 && kAll.size() == BucketLayout::kSize);

}  // namespace views

}  // namespace sluice::wsgi
