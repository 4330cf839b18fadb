// SPDX-License-Identifier: Apache-2.0
// For programs that use Abseil: the status of a call that records or drains as that of a function of their own.
#pragma once

#include "absl/status/status.h"
#include "sluice/status.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup read_api
/// @{

/// Returns the same status as one of Abseil. \throws std::bad_alloc
[[nodiscard]] inline absl::Status to_absl(const Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.code()), {status.message().data(), status.message().size()});
}

/// @}

}  // namespace sluice
