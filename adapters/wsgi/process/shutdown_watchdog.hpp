// A bound on the time that the end of a process may take.
#pragma once

#include "bindings/host.hpp"

namespace sluice::wsgi {

class ShutdownWatchdog {
 public:
  /// Ends the process, with a line in the log, unless this object is destroyed within the time. If no thread can be
  /// made for it the process is left to the server's own limits.
  ShutdownWatchdog(int seconds, const bindings::Host& host) noexcept;
  ShutdownWatchdog(const ShutdownWatchdog&) = delete;
  ShutdownWatchdog& operator=(const ShutdownWatchdog&) = delete;
  ~ShutdownWatchdog();
};

}  // namespace sluice::wsgi
