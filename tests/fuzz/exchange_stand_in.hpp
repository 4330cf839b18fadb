// A client's request as the session with a daemon process sees it: a body to be read, and a record of what the session
// does. The members of ApacheExchange are defined in exchange_stand_in.cpp, without Apache's filters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "adapters/wsgi/request/response_head.hpp"

namespace sluice::fuzz {

struct ExchangeRecord {
  // What the client does.
  std::string body;                          ///< Of the request, what is left of it.
  bool body_breaks = false;                  ///< The body ends in an error.
  std::size_t writes_until_gone = SIZE_MAX;  ///< Then the client is gone.

  // What the session did.
  std::optional<wsgi::ResponseHead> head;
  std::string written;
  bool ended = false;   ///< With a proper end.
  bool broken = false;  ///< With a visible break.
  bool lost = false;    ///< The client was gone at a write.
  std::size_t log_lines = 0;
};

/// The one of the session under test.
ExchangeRecord& exchange_record() noexcept;

}  // namespace sluice::fuzz
