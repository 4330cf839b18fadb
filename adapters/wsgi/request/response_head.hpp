// SPDX-License-Identifier: Apache-2.0
// The head of a response: its status and its fields. Knows nothing of Python or a server.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace sluice::wsgi {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct ResponseHead {
  int status = 0;
  std::string status_line;  ///< "200 OK"
  Headers headers;
};

}  // namespace sluice::wsgi
