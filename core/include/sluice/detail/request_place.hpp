// SPDX-License-Identifier: Apache-2.0
// Where a request in flight will be counted: in the slot of its worker or in overflow counters, and in which series.
#pragma once

#include <cstdint>

#include "sluice/detail/in_flight_table.hpp"

namespace sluice::inline v0_1::detail {

/// Where a request is counted.
struct RequestPlace {
  /// The overflow id of requests that are not recorded.
  static constexpr std::uint32_t kNowhere = UINT32_MAX;
  /// The overflow id of requests in the slot of the worker that have a trace. So they take the way of overflow requests
  /// when they end, and those without a trace need no check.
  static constexpr std::uint32_t kTraced = UINT32_MAX - 1;

  /// Returns true for a number that can be the id of overflow counters.
  [[nodiscard]] static constexpr bool is_overflow_id(std::uint32_t number) noexcept {
    return number != 0 && number != kNowhere && number != kTraced;
  }
  /// Returns true if the request is in the slot of the worker.
  [[nodiscard]] static constexpr bool is_slot(OverflowPlace overflow) noexcept {
    return overflow.id == 0 || overflow.id == kTraced;
  }

  OverflowPlace overflow;    ///< Without an id, or with kTraced: in the slot of the worker.
  std::uint32_t series = 0;  ///< Number of its series; 0 when it has no labels.

  /// Returns true for the slot of the worker, no series and no trace, as for most requests.
  [[nodiscard]] bool is_plain() const noexcept { return (overflow.id | series) == 0; }
};

}  // namespace sluice::detail
