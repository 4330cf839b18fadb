// A bound on the time that the end of a process may take.
#pragma once

#include "bindings/host.hpp"

namespace sluice::wsgi {

class Watchdog {
 public:
  /// Ends the process, with a line in the log, unless this object is destroyed within the time. If no thread can be
  /// made for it the process is left to the server's own limits.
  Watchdog(int seconds, const bindings::Host& host) noexcept;
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();
};

}  // namespace sluice::wsgi
