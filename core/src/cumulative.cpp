// SPDX-License-Identifier: Apache-2.0
#include "sluice/cumulative.hpp"

#include <utility>

#include "os/processes.hpp"

namespace sluice::inline v0_1 {

CumulativeReader::CumulativeReader(Reader reader) : reader_(std::move(reader)), process_(os::own_pid()) {}

/// Adds the last window to the sum. One that could not be added, because there was no memory, is added by the next
/// call.
Status CumulativeReader::read(Window& window) {
  const std::lock_guard lock(mutex_);
  if (process_ != os::own_pid()) {  // a forked child: the sum is that of its parent
    process_ = os::own_pid();
    begun_ = unadded_ = false;
  }
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
