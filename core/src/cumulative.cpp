// SPDX-License-Identifier: Apache-2.0
#include "sluice/cumulative.hpp"

namespace sluice::inline v0_1 {

/// Adds the last window to the sum. One that could not be added, because there was no memory, is added by the next
/// call.
Status CumulativeReader::read(Window& window) {
  const std::lock_guard lock(mutex_);
  if (unadded_) add_latest();
  if (const Status status = reader_.drain(latest_); !status.ok()) return status;
  unadded_ = true;
  add_latest();
  window = sum_;
  return {};
}

void CumulativeReader::add_latest() {
  if (begun_) {
    sum_.append(latest_);
  } else {
    sum_ = latest_;
  }
  begun_ = true;
  unadded_ = false;
}

}  // namespace sluice
