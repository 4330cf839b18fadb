// SPDX-License-Identifier: Apache-2.0
// A request with what the server has decided about it. Knows nothing of Python.
#pragma once

#include <cstdint>
#include <string>

#include "adapters/wsgi/python/script_request.hpp"
#include "adapters/wsgi/schema/timestamps.hpp"

namespace sluice::wsgi {

class Interruptible;

struct DispatchedRequest {
  std::string application_group;
  std::string callable;
  ScriptRequest script;
  /// The instants before the request reached this process; in embedded mode only the first. serve() adds the others.
  Timestamps timestamps;
  std::uint32_t daemon_tries = 0;  ///< Connections to daemon processes made for the request; 0 in embedded mode.
  long server_pid = 0;             ///< Process that accepted the request; 0 for the calling process.
  Interruptible* interruptible = nullptr;  ///< Null when no other thread may interrupt the request.
};

}  // namespace sluice::wsgi
