// SPDX-License-Identifier: Apache-2.0
// The telemetry reporter of a process that runs Python.
#pragma once

#include "adapters/telemetry/reporter.hpp"
#include "adapters/wsgi/process/runtime.hpp"
#include "bindings/host.hpp"

namespace sluice::wsgi {

/// Creates and starts the reporter, after Python has started, on the thread whose context is `thread`. The reporter
/// lives as long as the process. Returns null after an error, which has been logged.
[[nodiscard]] telemetry::Reporter* start_reporter(const telemetry::Settings& settings, telemetry::Identity identity,
                                                  bindings::Host& host, Runtime& runtime, ThreadContext& thread);

}  // namespace sluice::wsgi
