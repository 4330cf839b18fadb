// SPDX-License-Identifier: Apache-2.0
// Calls into a script that the server makes for itself, outside of any application: for authentication, access and the
// choice of groups.
#pragma once

#include <Python.h>

#include <string>

#include "absl/functional/function_ref.h"
#include "adapters/wsgi/process/runtime.hpp"
#include "adapters/wsgi/process/thread.hpp"
#include "adapters/wsgi/request/exchange.hpp"

namespace sluice::wsgi {

/// A script, and the interpreter that it runs in.
struct ScriptCall {
  std::string application_group;  ///< Empty for the main interpreter.
  std::string path;
  bool reloads = true;  ///< Load the script again when its file has changed.
};

/// Loads the script and calls `use` with its module, on the calling thread with the GIL of its interpreter. What the
/// script writes goes to the log of `exchange`. Nothing is recorded, because no application serves a request. Returns
/// false when there is no interpreter or the script cannot be loaded, which has been logged. The caller holds no GIL.
[[nodiscard]] bool with_script(Runtime& runtime, ThreadContext& thread, Exchange& exchange, const ScriptCall& call,
                               absl::FunctionRef<void(PyObject* module, InterpreterObjects& objects)> use);

}  // namespace sluice::wsgi
