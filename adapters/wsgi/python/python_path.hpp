// The directories that the configuration adds to the front of sys.path.
#pragma once

#include <string>
#include <vector>

namespace sluice::wsgi {

/// Adds each directory with site.addsitedir(), which processes its .pth files, and moves the new entries to the front,
/// in their order. Acts on the current interpreter. Returns false with an exception set.
[[nodiscard]] bool prepend_python_path(const std::vector<std::string>& directories);

}  // namespace sluice::wsgi
