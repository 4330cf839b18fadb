// The nested dicts of server_metrics(). Apart from the tables of schema.hpp, as it may have thousands of workers: each
// worker's dict is a copy of that of an unused one, in which what differs is set.
#pragma once

#include <Python.h>

#include <string>
#include <vector>

#include "bindings/object.hpp"
#include "bindings/scoreboard.hpp"

namespace sluice::bindings {

/// A line for each key: its type and unit.
[[nodiscard]] std::string describe_server();

/// What one interpreter keeps to make the dicts.
class ServerDictSchema {
 public:
  /// False with an exception set.
  [[nodiscard]] bool prepare();
  void clear() noexcept;

  /// A new dict; null with an exception set.
  [[nodiscard]] Object build(const Scoreboard& scoreboard) const;

 private:
  [[nodiscard]] Object process(const Scoreboard& scoreboard, const ServerState& server, int number,
                               const std::vector<Object>& thread_numbers) const;
  [[nodiscard]] Object worker(const ServerWorkerState& state, PyObject* thread_num) const;

  std::vector<Object> server_keys_;
  std::vector<Object> process_keys_;
  std::vector<Object> worker_keys_;
  Object unused_worker_;  ///< With the values of a worker that never was.
};

}  // namespace sluice::bindings
