// SPDX-License-Identifier: Apache-2.0
// The owner that a script and its directory must have, and who may be able to write them. Knows nothing of Python.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>

namespace sluice::wsgi {

/// The required owner of a script and of the directory that contains it. With `user` nobody but that user may be able
/// to write them, with `group` nobody but their user and that group. Without either, every script is allowed.
struct ScriptOwnerRule {
  std::optional<uid_t> user;
  std::optional<gid_t> group;

  [[nodiscard]] bool any() const noexcept { return user || group; }

  /// Returns the reason why a script must not run, as a clause for the log; empty when it may.
  [[nodiscard]] std::string why_forbidden(const struct stat& file, const struct stat& directory) const;

  /// Looks at the file at a path and at its directory; a file that cannot be looked at is forbidden. Blocks like
  /// stat().
  [[nodiscard]] std::string why_forbidden(const std::string& path) const;
};

/// Returns the directory part of a path: "." for a path without a slash.
[[nodiscard]] std::string directory_of(const std::string& path);

}  // namespace sluice::wsgi
