// The head of a response: status and fields. Knows nothing of Python or of a server.
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
