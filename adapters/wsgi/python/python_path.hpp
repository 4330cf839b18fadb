// Directories that the configuration puts in front of sys.path.
#pragma once

#include <string>
#include <vector>

namespace sluice::wsgi {

/// Adds each by site.addsitedir(), so that .pth files in it count, and moves what that added to the front, in order.
/// Acts on the current interpreter. False with an exception set.
[[nodiscard]] bool prepend_python_path(const std::vector<std::string>& directories);

}  // namespace sluice::wsgi
