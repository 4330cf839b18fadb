// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/telemetry_directives.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/config/config_error.hpp"
#include "adapters/apache/config/numbers.hpp"

namespace sluice::apache {
namespace {

constexpr std::string_view kScheme = "unix:";
constexpr std::string_view kInterval = "interval=";
constexpr double kShortestInterval = 0.5;
constexpr double kLongestSeconds = 10.0 * 365 * 24 * 3600;

/// Parses a number of seconds. Returns false unless the text begins with one. A time of more than ten years becomes ten
/// years, which fits any clock.
bool parse_seconds(const cmd_parms* cmd, const char* text, double& seconds) {
  char* end = nullptr;
  errno = 0;
  seconds = std::strtod(text, &end);
  const bool too_large = errno == ERANGE && std::isinf(seconds);  // a number of hundreds of digits
  if (end == text || (!std::isfinite(seconds) && !too_large)) return false;
  seconds = std::min(seconds, kLongestSeconds);
  if (*end != '\0') note_rest(cmd->pool, cmd->cmd->name, text, end);
  return true;
}

/// Returns the bit of a flag; 0 for an unknown name.
int flag_of(const char* name) { return strcasecmp(name, "CaptureUserAgent") == 0 ? kCaptureUserAgent : 0; }

/// The flags of WSGITelemetryOptions, and whether words with or without a sign have occurred.
struct Flags {
  int value;
  bool relative = false;
  bool absolute = false;
};

const char* apply(cmd_parms* cmd, const char* word, Flags& flags) {
  const bool sign = *word == '+' || *word == '-';
  const char* const name = sign ? word + 1 : word;
  if (*name == '\0') return error(cmd, "'", word, "' alone is not a flag");
  const bool none = strcasecmp(name, "None") == 0;
  const bool all = strcasecmp(name, "All") == 0;
  if (sign && (none || all)) return error(cmd, "'", name, "' cannot follow + or -");
  if (sign ? flags.absolute : flags.relative) return error(cmd, "flags with and without + or - cannot be mixed");
  const int flag = all ? kAllTelemetryOptions : flag_of(name);
  if (flag == 0 && !none) return error(cmd, "unknown flag '", name, "'");
  if (!sign && !flags.absolute) flags.value = 0;
  (sign ? flags.relative : flags.absolute) = true;
  if (none) {
    flags.value = 0;
  } else if (*word == '-') {
    flags.value &= ~flag;
  } else {
    flags.value |= flag;
  }
  return nullptr;
}

/// Sets the age from which on requests are slow.
const char* set_threshold(cmd_parms* cmd, const char* value, double& threshold) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  double seconds = 0.0;
  if (!parse_seconds(cmd, value, seconds) || seconds < 0.0) {
    return error(cmd, "must be a number of seconds that is 0 or more, not '", value, "'");
  }
  threshold = seconds;
  return nullptr;
}

}  // namespace

const char* telemetry_service(cmd_parms* cmd, void*, const char* target, const char* option) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  const std::string_view address = target;
  if (!address.starts_with(kScheme) || address.size() == kScheme.size()) {
    return error(cmd, "the target must be 'unix:/path', not '", target, "'; only local sockets are supported");
  }
  double interval = 1.0;
  if (option != nullptr) {
    if (!std::string_view(option).starts_with(kInterval)) {
      return error(cmd, "the second argument must be 'interval=SECONDS', not '", option, "'");
    }
    if (!parse_seconds(cmd, option + kInterval.size(), interval) || interval < kShortestInterval) {
      return error(cmd, "the interval must be at least 0.5 seconds, not '", option + kInterval.size(), "'");
    }
  }
  process_config().telemetry_path = target + kScheme.size();
  process_config().telemetry_interval = interval;
  return nullptr;
}

const char* telemetry_options(cmd_parms* cmd, void*, const char* line) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  if (*line == '\0') return error(cmd, "requires at least one flag");
  Flags flags{.value = process_config().telemetry_options};
  while (*line != '\0') {
    const char* const word = ap_getword_conf(cmd->temp_pool, &line);
    if (*word == '\0') break;
    if (const char* const problem = apply(cmd, word, flags)) return problem;
  }
  const bool empty = !flags.relative && !flags.absolute;  // an empty word in quotation marks stands for None
  process_config().telemetry_options = empty ? 0 : flags.value;
  return nullptr;
}

const char* slow_requests(cmd_parms* cmd, void*, const char* value) {
  return set_threshold(cmd, value, process_config().slow_requests);
}

const char* metrics_slow_requests(cmd_parms* cmd, void*, const char* value) {
  return set_threshold(cmd, value, process_config().listed_requests);
}

}  // namespace sluice::apache
