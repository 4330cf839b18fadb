// The levels of Apache's log for those of the module.
#pragma once

#include "adapters/apache/server/server.hpp"
#include "bindings/host.hpp"

namespace sluice::apache {

/// Returns the level of Apache's log, an APLOG_ constant.
[[nodiscard]] inline int apache_level(bindings::LogLevel level) noexcept {
  switch (level) {
    case bindings::LogLevel::kError:
      return APLOG_ERR;
    case bindings::LogLevel::kWarning:
      return APLOG_WARNING;
    case bindings::LogLevel::kInfo:
      return APLOG_INFO;
    case bindings::LogLevel::kDebug:
      return APLOG_DEBUG;
  }
  return APLOG_ERR;
}

}  // namespace sluice::apache
