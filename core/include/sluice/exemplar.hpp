// SPDX-License-Identifier: Apache-2.0
// Exemplars: single slow requests, each with its trace, beside the counts of a window.
#pragma once

#include <cstdint>

#include "sluice/series.hpp"
#include "sluice/trace.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup read_api
/// @{

/// A slow request that had a trace. A plain value.
struct Exemplar {
  Trace trace;               ///< Trace that Request::set_trace() was given.
  std::uint64_t value = 0;   ///< Duration, in the unit of the field SchemaInfo::measured_field.
  std::int64_t time_ns = 0;  ///< Time at which the request ended, in nanoseconds since the Unix epoch.
  Series series{};           ///< Series of the request.

  /// Returns true for the same request.
  friend constexpr bool operator==(const Exemplar&, const Exemplar&) noexcept = default;
};

/// @}

}  // namespace sluice
