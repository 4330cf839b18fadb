// SPDX-License-Identifier: Apache-2.0
// Limits of time that follow from several options of a process group.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "adapters/daemon/daemon_options.hpp"

namespace sluice::daemon {

/// Returns the seconds for one request, 0 for no limit. It grows with the logarithm of the number of threads, because a
/// stuck request matters less where more threads are left to serve others.
[[nodiscard]] inline double request_limit_seconds(const DaemonOptions& options) noexcept {
  return options.request_timeout * (options.threads > 1 ? 1.0 + std::log(options.threads) : 1.0);
}

/// Returns the value of exchange-timeout where the option is absent: a day, or with request-timeout the longest time
/// that the server can need for a request that keeps all other limits, and a minute. Needs the final socket_timeout.
[[nodiscard]] inline int default_exchange_timeout(const DaemonOptions& options) noexcept {
  constexpr double kDay = 86'400.0;
  constexpr double kMargin = 60.0;
  if (options.request_timeout == 0) return static_cast<int>(kDay);
  // A request waits in the backlog until its queue timeout; without one, until the server has heard nothing too long.
  const double queued = options.queue_timeout > 0 ? options.queue_timeout : options.socket_timeout;
  const double drained = std::max(options.graceful_timeout, options.eviction_timeout);
  const double total = std::ceil(request_limit_seconds(options)) + options.interrupt_timeout + drained +
                       options.shutdown_timeout + options.connect_timeout + queued + kMargin;
  return static_cast<int>(std::min<double>(total, std::numeric_limits<int>::max()));
}

}  // namespace sluice::daemon
