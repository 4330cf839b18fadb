// SPDX-License-Identifier: Apache-2.0
// Posts bodies to one URL, on libcurl, with a bound of the whole time that another thread can shorten.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "push_loop.hpp"

namespace sluice::inline v0_1::endpoint {

/// The request that is sent with each body.
struct HttpRequest {
  std::string url;
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> headers;
};

/// Returns a transport that posts each message of a batch. \return InvalidArgument if the URL or a header field cannot
/// be used.
[[nodiscard]] absl::StatusOr<std::unique_ptr<Transport>> http_transport(const HttpRequest& request);

}  // namespace sluice::endpoint
