// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/process/script_call.hpp"

#include "absl/strings/str_cat.h"
#include "adapters/wsgi/python/gil.hpp"
#include "adapters/wsgi/python/script_file.hpp"

namespace sluice::wsgi {
namespace {

/// Returns the script with the present modification time of its file, because no server has looked at it.
ScriptRequest script_request(const ScriptCall& call) {
  using OnChange = ScriptRequest::OnChange;
  return {.path = call.path,
          .mtime_us = call.reloads ? modified_us(call.path) : 0,
          .on_change = call.reloads ? OnChange::kReload : OnChange::kServe,
          .ask_before_ns = 0};
}

}  // namespace

bool with_script(Runtime& runtime, ThreadContext& thread, Exchange& exchange, const ScriptCall& call,
                 absl::FunctionRef<void(PyObject* module, InterpreterObjects& objects)> use) {
  const ThreadContext::Serving serving(thread, exchange);
  const absl::StatusOr<Interpreter*> lookup = runtime.interpreter(call.application_group, call.path, thread);
  Interpreter* const interpreter = lookup.value_or(nullptr);
  PyThreadState* const state = interpreter != nullptr ? thread.state_in(interpreter->state()) : nullptr;
  if (state == nullptr) {
    exchange.log(LogLevel::kError,
                 absl::StrCat("SLC1050: script '", call.path, "' is not run, because application group '",
                              call.application_group, "' has no Python interpreter; the request is refused."));
    return false;
  }
  const ScriptRequest script = script_request(call);
  const WithGil gil(state);
  const Scripts::Loaded loaded =
      interpreter->scripts().load(script, [&](LogLevel level, std::string_view line) { exchange.log(level, line); });
  if (!loaded.module) return false;
  use(loaded.module.ptr(), interpreter->objects());
  return true;
}

}  // namespace sluice::wsgi
