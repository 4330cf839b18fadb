// SPDX-License-Identifier: Apache-2.0
// The module `apache`, which tells an application about the server.
#pragma once

#include <string>

namespace sluice::wsgi {

struct ApacheFacts {
  int version[3] = {};
  long maximum_processes = 1;    ///< Limit of the server's own processes, whichever process asks.
  long threads_per_process = 1;  ///< Threads of each of the server's own processes.
  std::string description;       ///< As in the field Server of responses.
  std::string mpm_name;
  std::string build_date;
};

/// Puts a module `apache` with the facts as attributes into sys.modules of the current interpreter. A package `apache`
/// of the application stays usable: its submodules are found, and its own attributes when one is first asked for.
/// Returns false with an exception set.
[[nodiscard]] bool add_apache_module(const ApacheFacts& facts);

}  // namespace sluice::wsgi
