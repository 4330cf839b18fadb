// SPDX-License-Identifier: Apache-2.0
// Facts about the serving process that requests need. Knows nothing of Python.
#pragma once

namespace sluice::wsgi {

struct ServerFacts {
  bool multithread = true;
  bool multiprocess = true;
  bool run_once = false;  ///< The process serves one request only.
  int server_version[3] = {};
  bool capture_user_agent = false;  ///< Whether records of slow requests hold the User-Agent header.
};

}  // namespace sluice::wsgi
