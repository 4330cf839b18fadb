// SPDX-License-Identifier: Apache-2.0
// A script that a process loads before its first request.
#pragma once

#include <string>

namespace sluice::daemon {

struct ImportedScript {
  std::string application_group;
  std::string path;
  bool is_application = false;  ///< An alias names it. A script of WSGIImportScript need not serve requests.
};

}  // namespace sluice::daemon
