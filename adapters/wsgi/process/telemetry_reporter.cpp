// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/process/telemetry_reporter.hpp"

#include <exception>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "adapters/wsgi/python/gil.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

/// Returns sys.getswitchinterval(), or 0.0 when it fails.
double switch_interval() {
  double seconds = 0.0;
  const Object function = bindings::borrow(PySys_GetObject("getswitchinterval"));
  const Object value = function ? steal(PyObject_CallNoArgs(function.ptr())) : Object();
  if (value) seconds = PyFloat_AsDouble(value.ptr());
  if (PyErr_Occurred() == nullptr) return seconds;
  PyErr_Clear();
  return 0.0;
}

}  // namespace

telemetry::Reporter* start_reporter(const telemetry::Settings& settings, telemetry::Identity identity,
                                    bindings::Host& host, Runtime& runtime, ThreadContext& thread) {
  const std::string version = Py_GetVersion();
  identity.python_version = version.substr(0, version.find(' '));
  if (Interpreter* const main = runtime.main_interpreter()) {
    if (PyThreadState* const state = thread.state_in(main->state())) {
      const WithGil gil(state);
      identity.switch_interval = switch_interval();
    }
  }
  try {
    auto* const reporter =
        new telemetry::Reporter(settings, std::move(identity), host.recorder(),
                                [&host](LogLevel level, std::string_view line) { host.log(level, line); });
    if (runtime.collections() != nullptr) reporter->report_collections(*runtime.collections());
    reporter->start();
    return reporter;
  } catch (const std::exception& error) {
    host.log(LogLevel::kWarning, absl::StrCat("SLC0141: the telemetry reporter could not be created: ", error.what(),
                                              "; this process sends no telemetry."));
    return nullptr;
  }
}

}  // namespace sluice::wsgi
