// SPDX-License-Identifier: Apache-2.0
// A stand-in for the request of a client in a session with a daemon process: a body to read, and a record of the
// session's actions. The members of ApacheExchange are defined in exchange_stand_in.cpp, without Apache's filters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "adapters/wsgi/request/response_head.hpp"

namespace sluice::fuzz {

struct ExchangeRecord {
  // Behaviour of the client.
  std::string body;                          ///< Rest of the request body.
  bool body_breaks = false;                  ///< True if the body ends in an error.
  std::size_t writes_until_gone = SIZE_MAX;  ///< Number of writes after which the client is gone.

  // Actions of the session.
  std::optional<wsgi::ResponseHead> head;
  std::string written;
  bool ended = false;         ///< True after a proper end.
  bool broken = false;        ///< True after a visible break.
  bool lost = false;          ///< True if the client was gone at a write.
  std::size_t log_lines = 0;  ///< Lines about the session.
  std::size_t lines = 0;      ///< Lines of the application.
};

/// Returns the exchange of the session under test.
ExchangeRecord& exchange_record() noexcept;

}  // namespace sluice::fuzz
