// SPDX-License-Identifier: Apache-2.0
// Changes that the server makes to the head of a response from a daemon process before it passes the head on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/apache/server/server.hpp"
#include "adapters/wsgi/request/response_head.hpp"

namespace sluice::apache {

/// Removes a valid field `Status`, which sets the status of the response, as in CGI.
void apply_status_field(wsgi::ResponseHead& head);

/// Returns the path on this server by whose response the server replaces that of the application, as in CGI; null when
/// the response is passed on.
[[nodiscard]] const std::string* internal_redirect(const wsgi::ResponseHead& head);

/// Serves the request from another path of this server. The response of the application has been read and dropped.
void redirect(request_rec* request, const std::string& path);

/// Adds the fields of a response whose body and status line the server replaces by its own error document.
void keep_error_fields(request_rec* request, const wsgi::ResponseHead& head);

/// A range of a body that the client asks for.
class BodyRange {
 public:
  /// Returns the range when the request asks for one range of this response and the server can cut it out. Makes the
  /// head one of 206. Otherwise the client gets the whole body, whatever pieces it arrives in.
  [[nodiscard]] static std::optional<BodyRange> apply(request_rec* request, wsgi::ResponseHead& head,
                                                      std::optional<std::uint64_t> length);

  /// Returns the part of a block that is inside the range. `at` is the position of the block in the body.
  [[nodiscard]] std::string_view cut(std::string_view block, std::uint64_t at) const noexcept;

 private:
  BodyRange(std::uint64_t begin, std::uint64_t end) noexcept : begin_(begin), end_(end) {}

  std::uint64_t begin_;
  std::uint64_t end_;  ///< Behind the last byte.
};

}  // namespace sluice::apache
