// SPDX-License-Identifier: Apache-2.0
// The levels of log lines and the type of a log. The core itself writes no log; hosts and adapters share these types.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace sluice::inline v0_1 {

/// \addtogroup record_api
/// @{

/// Severity of a log line.
enum class LogLevel : std::uint8_t {
  kError,     ///< Something failed, and an operator has to act.
  kWarning,   ///< Something is wrong, and the server continues.
  kInfo,      ///< Normal operation.
  kDebug,     ///< Details for developers.
  kCritical,  ///< More severe than an error. Applications use it; last, so that the other values stay what they were.
};

/// Writes one line, which comes without its line end. May be called from any thread.
using LogSink = std::function<void(LogLevel level, std::string_view line)>;

/// @}

}  // namespace sluice
