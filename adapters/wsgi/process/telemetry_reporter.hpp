// The external reporter of a process that runs Python.
#pragma once

#include "adapters/telemetry/reporter.hpp"
#include "adapters/wsgi/process/runtime.hpp"
#include "bindings/host.hpp"

namespace sluice::wsgi {

/// Makes and starts one, told what is known of Python. Once Python runs, on the thread of `thread`. It lives as long as
/// the process. Null after an error, which has been logged.
[[nodiscard]] telemetry::Reporter* start_reporter(const telemetry::Settings& settings, telemetry::Identity identity,
                                                  bindings::Host& host, Runtime& runtime, ThreadContext& thread);

}  // namespace sluice::wsgi
