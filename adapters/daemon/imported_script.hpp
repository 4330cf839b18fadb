// SPDX-License-Identifier: Apache-2.0
// A script that a process loads before its first request.
#pragma once

#include <string>

namespace sluice::daemon {

struct ImportedScript {
  std::string application_group;
  std::string path;
};

}  // namespace sluice::daemon
