// SPDX-License-Identifier: Apache-2.0
// The directories that the configuration adds to the front of sys.path.
#pragma once

#include <string>
#include <vector>

namespace sluice::wsgi {

/// Adds each directory with site.addsitedir(), which processes its .pth files, and moves the new entries to the front,
/// in their order. Acts on the current interpreter. Returns false with an exception set.
[[nodiscard]] bool prepend_python_path(const std::vector<std::string>& directories);

/// Inserts a directory as the first entry of sys.path, as for a script that is run by hand in it. Does nothing for an
/// empty name. Acts on the current interpreter. Returns false with an exception set.
[[nodiscard]] bool insert_first_directory(const std::string& directory);

}  // namespace sluice::wsgi
