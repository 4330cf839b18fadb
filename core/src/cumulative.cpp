// SPDX-License-Identifier: Apache-2.0
#include "sluice/cumulative.hpp"

namespace sluice {

absl::Status CumulativeReader::read(Window& window) {
  const std::lock_guard lock(mutex_);
  if (absl::Status status = reader_.drain(latest_); !status.ok()) return status;
  if (!std::exchange(begun_, true)) {
    sum_ = latest_;
  } else {
    sum_.append(latest_);
  }
  window = sum_;
  return absl::OkStatus();
}

}  // namespace sluice
