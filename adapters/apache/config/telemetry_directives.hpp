// SPDX-License-Identifier: Apache-2.0
// The directives of the external reporter and of slow requests. All of them belong to the main server.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// WSGITelemetryService unix:/path [interval=SECONDS]
const char* telemetry_service(cmd_parms* cmd, void* config, const char* target, const char* option);

/// WSGITelemetryOptions [+|-]Flag ... | None | All
const char* telemetry_options(cmd_parms* cmd, void* config, const char* line);

/// WSGISlowRequests SECONDS
const char* slow_requests(cmd_parms* cmd, void* config, const char* value);

/// WSGIMetricsSlowRequests SECONDS
const char* metrics_slow_requests(cmd_parms* cmd, void* config, const char* value);

}  // namespace sluice::apache
