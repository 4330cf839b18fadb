// The heads of a request and of its response as they cross the border of a process.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/wsgi/exchange.hpp"

namespace sluice::daemon {

/// What a daemon process has to know of a request.
struct RequestHead {
  std::uint64_t accepted_ns = 0;  ///< On the monotonic clock, which all processes share.
  std::uint64_t queued_ns = 0;
  std::uint32_t tries = 0;  ///< Connections that it took, this one included.
  std::string_view application_group;
  std::string_view callable;
  std::string_view script;
  std::int64_t script_mtime_us = 0;
  bool script_reloading = true;
  bool https = false;
  bool head_only = false;  ///< The response has no body on the wire.
  bool has_body = false;
  bool body_whole = false;  ///< All of the body is in `body`.
  std::string_view id;
  std::string_view client;  ///< Address and port, for the log.
  std::string_view body;    ///< What had arrived of it.
  std::vector<std::pair<std::string_view, std::string_view>> variables;
};

[[nodiscard]] std::string pack(const RequestHead& head);

/// The views are into `packed`. False if that is no request head.
[[nodiscard]] bool unpack(std::string_view packed, RequestHead& head);

[[nodiscard]] std::string pack(const wsgi::ResponseHead& head);
[[nodiscard]] bool unpack(std::string_view packed, wsgi::ResponseHead& head);

}  // namespace sluice::daemon
