// SPDX-License-Identifier: Apache-2.0
// The default layout of durations: from 1 us to 60 s in nanoseconds, with neighbouring bounds that differ by a quarter
// at most. Every bound is inclusive: one nanosecond above a round number, so that "at most 5 ms" is exact.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "sluice/buckets.hpp"

namespace sluice::inline v0_1 {

namespace bounds {

/// \addtogroup record_api
/// @{

/// The bounds of buckets::kFine in nanoseconds: 1, 1.25, 1.5, 1.8, 2.1, 2.5, 3, 3.6, 4.3, 5, 6, 7.5 and 9 of each
/// decade from 1 us to 10 s, then 10, 12.5, 15, 18, 22, 27, 33, 40, 48 and 60 s, each plus 1 ns.
inline constexpr auto kFine = [] {
  constexpr std::array<std::uint64_t, 13> kDecade{100, 125, 150, 180, 210, 250, 300, 360, 430, 500, 600, 750, 900};
  constexpr std::array<std::uint64_t, 10> kLast{1000, 1250, 1500, 1800, 2200, 2700, 3300, 4000, 4800, 6000};
  constexpr std::size_t kDecades = 7;
  std::array<std::uint64_t, kDecades * kDecade.size() + kLast.size()> bounds{};
  std::size_t used = 0;
  std::uint64_t unit = 10;
  for (std::size_t decade = 0; decade < kDecades; ++decade, unit *= 10) {
    for (const std::uint64_t bound : kDecade) bounds[used++] = bound * unit + 1;
  }
  unit /= 10;
  for (const std::uint64_t bound : kLast) bounds[used++] = bound * unit + 1;
  return bounds;
}();

/// The bounds that the semantic conventions of OpenTelemetry advise for durations of requests, in nanoseconds, each
/// plus 1 ns.
inline constexpr auto kOtelNs = [] {
  std::array<std::uint64_t, 14> bounds{5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000};
  for (std::uint64_t& bound : bounds) bound = bound * 1'000'000 + 1;
  return bounds;
}();

/// Every third bound or so of kFine: 1, 2.5, 5 of each decade.
inline constexpr auto kCoarse = [] {
  std::array<std::uint64_t, 22> bounds{};
  std::size_t used = 0;
  for (std::uint64_t unit = 1000; used < bounds.size(); unit *= 10) {
    for (const std::uint64_t bound : {unit, unit * 5 / 2, unit * 5}) {
      if (used < bounds.size()) bounds[used++] = bound + 1;
    }
  }
  return bounds;
}();

/// @}

}  // namespace bounds

namespace buckets {

/// \addtogroup record_api
/// @{

/// The type of kFine.
using Fine = Buckets<bounds::kFine, Views<detail::kNoBounds, bounds::kCoarse, bounds::kOtelNs, bounds::kFine>>;

/// The default layout of durations in nanoseconds: 101 bounds.
inline constexpr Fine kFine{};

/// @}

}  // namespace buckets

}  // namespace sluice
