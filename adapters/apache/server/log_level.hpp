// SPDX-License-Identifier: Apache-2.0
// The levels of Apache's log for those of the module.
#pragma once

#include "adapters/apache/server/server.hpp"
#include "sluice/log.hpp"

namespace sluice::apache {

/// Returns the level of Apache's log, an APLOG_ constant.
[[nodiscard]] inline int apache_level(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kError:
      return APLOG_ERR;
    case LogLevel::kWarning:
      return APLOG_WARNING;
    case LogLevel::kInfo:
      return APLOG_INFO;
    case LogLevel::kDebug:
      return APLOG_DEBUG;
    case LogLevel::kCritical:
      return APLOG_CRIT;
  }
  return APLOG_ERR;
}

}  // namespace sluice::apache
