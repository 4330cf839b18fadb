// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/python/script_owner.hpp"

#include "absl/strings/str_cat.h"

namespace sluice::wsgi {
namespace {

/// Returns the reason why a file or a directory violates a rule; empty when it does not.
std::string violation(const ScriptOwnerRule& rule, const char* name, const struct stat& entry) {
  if (rule.user && entry.st_uid != *rule.user) {
    return absl::StrCat(name, " belongs to user ", entry.st_uid, ", and script-user allows user ", *rule.user, " only");
  }
  if (rule.group && entry.st_gid != *rule.group) {
    return absl::StrCat(name, " belongs to group ", entry.st_gid, ", and script-group allows group ", *rule.group,
                        " only");
  }
  const char* const option = rule.user ? "script-user" : "script-group";
  if (rule.any() && (entry.st_mode & S_IWOTH) != 0) {
    return absl::StrCat(name, " can be written by everybody, which ", option, " forbids");
  }
  if (rule.user && (entry.st_mode & S_IWGRP) != 0) {
    return absl::StrCat(name, " can be written by its group, which ", option, " forbids");
  }
  return {};
}

}  // namespace

std::string ScriptOwnerRule::why_forbidden(const struct stat& file, const struct stat& directory) const {
  std::string reason = violation(*this, "it", file);
  return reason.empty() ? violation(*this, "its directory", directory) : reason;
}

std::string ScriptOwnerRule::why_forbidden(const std::string& path) const {
  struct stat file {};
  struct stat directory {};
  if (::stat(path.c_str(), &file) != 0) return "its owner cannot be read";
  if (::stat(directory_of(path).c_str(), &directory) != 0) return "the owner of its directory cannot be read";
  return why_forbidden(file, directory);
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace sluice::wsgi
