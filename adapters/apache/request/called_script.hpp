// SPDX-License-Identifier: Apache-2.0
// A script whose functions Apache calls in its own processes: see ScriptFile.
#pragma once

#include <Python.h>

#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "adapters/apache/config/config.hpp"
#include "adapters/wsgi/python/interpreter_objects.hpp"
#include "bindings/dict_builder.hpp"
#include "bindings/object.hpp"

namespace sluice::apache {

/// A loaded script during one request. The calling thread holds the GIL of its interpreter. Errors are logged with the
/// name of the function, never with its arguments, because these may be passwords.
class CalledScript {
 public:
  CalledScript(request_rec* request, const ScriptFile& file, PyObject* loaded, wsgi::InterpreterObjects& objects)
      : request_(request), file_(file), module_(loaded), objects_(objects) {}
  CalledScript(const CalledScript&) = delete;
  CalledScript& operator=(const CalledScript&) = delete;

  /// Whether the script has a global of this name.
  [[nodiscard]] bool defines(const char* function) const;

  /// Calls a function with a tuple of arguments. Null `arguments` stand for an error whose exception is set. Returns
  /// null after an error, which has been logged.
  [[nodiscard]] bindings::Object call(const char* function, const bindings::Object& arguments) const;

  /// Logs that a function has returned something else than `expected` names.
  void log_wrong_result(const char* function, const char* expected, PyObject* result) const;

  /// Logs the exception that is set, and clears it.
  void log_exception(const char* function) const;

  /// Adds what every environ of a called script has: the error stream and, with WSGIPassApacheRequest, the request_rec.
  void add_common(bindings::DictBuilder& environ) const;

  [[nodiscard]] request_rec* request() const noexcept { return request_; }
  [[nodiscard]] wsgi::InterpreterObjects& objects() const noexcept { return objects_; }

 private:
  request_rec* request_;
  const ScriptFile& file_;
  PyObject* module_;
  wsgi::InterpreterObjects& objects_;
};

/// Loads a script and calls `use` with it. Returns false when it cannot be run, which has been logged. The caller holds
/// no GIL.
[[nodiscard]] bool use_script(request_rec* request, const ScriptFile& file,
                              absl::FunctionRef<void(const CalledScript& script)> use);

/// Returns the bytes of a result that is str or bytes; str is encoded as Latin-1, as variables are decoded. Returns
/// nothing for other types, other characters, and a null character, at which Apache would cut the text.
[[nodiscard]] std::optional<std::string> latin1_of(PyObject* result);

}  // namespace sluice::apache
