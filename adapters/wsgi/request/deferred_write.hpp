// SPDX-License-Identifier: Apache-2.0
// The end of a response that is sent without Python. Knows nothing of Python.
#pragma once

#include <cstddef>
#include <string>

#include "adapters/wsgi/request/exchange.hpp"
#include "adapters/wsgi/request/measurement.hpp"

namespace sluice::wsgi {

/// The end of a response, kept until the GIL has been released. Sending it needs no Python, so a request whose response
/// is one small block acquires the GIL only once.
struct DeferredWrite {
  bool pending = false;
  bool complete = true;  ///< The response ends with it; false when it is shorter than its Content-Length.
  std::string data;

  /// Upper limit of `data`. A longer end of a response is sent without copying it.
  static constexpr std::size_t kMaxBytes = 64 * 1024;

  /// Sends the data and logs a failure. The caller does not hold the GIL.
  void send(Exchange& exchange, Measurement& measurement) const;
};

/// Logs that the client has closed the connection.
void log_client_gone(const Exchange& exchange) noexcept;

/// Logs that a response is incomplete.
void log_short_response(const Exchange& exchange) noexcept;

}  // namespace sluice::wsgi
