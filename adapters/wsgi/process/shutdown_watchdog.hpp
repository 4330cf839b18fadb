// SPDX-License-Identifier: Apache-2.0
// An upper bound for the time that the end of a process takes.
#pragma once

#include "bindings/host.hpp"

namespace sluice::wsgi {

class ShutdownWatchdog {
 public:
  /// Ends the process, with a line in the log, unless the object is destroyed in time. Without a thread, which is
  /// logged, only the server's own limits apply.
  ShutdownWatchdog(int seconds, const bindings::Host& host) noexcept;
  ShutdownWatchdog(const ShutdownWatchdog&) = delete;
  ShutdownWatchdog& operator=(const ShutdownWatchdog&) = delete;
  ~ShutdownWatchdog();
};

}  // namespace sluice::wsgi
