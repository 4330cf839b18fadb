// SPDX-License-Identifier: Apache-2.0
// The nested dicts of server_metrics(). They are built apart from those of schema.hpp, because there may be thousands
// of workers: the dict of each worker is a copy of the dict of an unused one, in which the differences are set.
#pragma once

#include <Python.h>

#include <string>
#include <vector>

#include "bindings/object.hpp"
#include "bindings/schema.hpp"
#include "bindings/scoreboard.hpp"

namespace sluice::bindings {

/// Returns one line for each key: its type and unit.
[[nodiscard]] std::string describe_server();

/// The fields of the dicts with their keys as interned strings of one interpreter. Used with its GIL held.
class ServerDictSchema {
 public:
  ServerDictSchema() noexcept;

  /// Creates the keys. Returns false with an exception set.
  [[nodiscard]] bool intern_keys();

  /// Returns a new dict, or null with an exception set.
  [[nodiscard]] Object build(const Scoreboard& scoreboard) const;

 private:
  [[nodiscard]] Object process(const Scoreboard& scoreboard, int process_num,
                               const std::vector<Object>& thread_numbers) const;
  [[nodiscard]] Object worker(const ServerWorkerState& state, const Object& thread_num) const;

  DictSchema server_;
  DictSchema process_;
  DictSchema worker_;
  Object unused_worker_;  ///< The dict of a worker that has served nothing.
};

}  // namespace sluice::bindings
