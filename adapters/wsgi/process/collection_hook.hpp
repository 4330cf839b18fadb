// SPDX-License-Identifier: Apache-2.0
// Reports the garbage collections of an interpreter to the log from which the external reporter takes them.
#pragma once

#include <Python.h>

#include "adapters/telemetry/collections.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// One for each interpreter, which it outlives. The caller of each member holds the GIL of the interpreter.
class CollectionHook {
 public:
  /// Begins to report, with an entry of gc.callbacks. Returns false with an exception set.
  [[nodiscard]] bool install(telemetry::CollectionLog& log);

  /// Tells the log the state of the collector when the reporter waits for it. Costs one load otherwise, and nothing
  /// when there is no reporter.
  void refresh() {
    if (log_ != nullptr && log_->wants_update()) [[unlikely]]
      update();
  }

  /// Drops all references to Python objects. Collections after that are not reported.
  void clear() noexcept;

 private:
  static PyObject* on_collection(PyObject* capsule, PyObject* args);
  void collected(PyObject* info);
  void update();

  telemetry::CollectionLog* log_ = nullptr;  ///< Null when nothing is reported.
  bindings::Object gc_;                      ///< The module `gc`.
  std::uint64_t start_ns_ = 0;               ///< Start of the collection that runs.
  double start_ = 0.0;                       ///< Start of the collection in seconds since the Unix epoch.
};

}  // namespace sluice::wsgi
