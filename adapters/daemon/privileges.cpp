// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/privileges.hpp"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace sluice::daemon {
namespace {

absl::Status failed(const char* call) {
  return absl::PermissionDeniedError(absl::StrCat(call, " failed: ", std::strerror(errno)));
}

/// Returns true when the supplementary groups of the process are among those of the user.
bool groups_dropped(const DaemonOptions& options) {
  std::vector<gid_t> allowed = {options.gid};
  if (options.supplementary_groups != nullptr) {
    allowed.insert(allowed.end(), options.supplementary_groups,
                   options.supplementary_groups + options.supplementary_group_count);
  } else if (options.user != nullptr) {
    int count = 0;
    ::getgrouplist(options.user, options.gid, nullptr, &count);  // fails and sets `count` to the number of groups
    allowed.resize(static_cast<std::size_t>(std::max(count, 1)));
    if (::getgrouplist(options.user, options.gid, allowed.data(), &count) < 0) return false;
  }
  const int held_count = ::getgroups(0, nullptr);
  std::vector<gid_t> held(static_cast<std::size_t>(std::max(held_count, 0)));
  if (held_count < 0 || ::getgroups(held_count, held.data()) != held_count) return false;
  return std::all_of(held.begin(), held.end(),
                     [&](gid_t id) { return std::find(allowed.begin(), allowed.end(), id) != allowed.end(); });
}

bool dropped(const DaemonOptions& options) {
  uid_t uids[3];
  gid_t gids[3];
  if (::getresuid(&uids[0], &uids[1], &uids[2]) != 0 || ::getresgid(&gids[0], &gids[1], &gids[2]) != 0) return false;
  for (const uid_t uid : uids) {
    if (uid != options.uid) return false;
  }
  for (const gid_t gid : gids) {
    if (gid != options.gid) return false;
  }
  if (!groups_dropped(options)) return false;
  // Dropped privileges cannot be regained, so this has to fail.
  return ::setuid(0) != 0 && ::geteuid() == options.uid;
}

}  // namespace

absl::Status drop_privileges(const DaemonOptions& options) {
  if (::geteuid() != 0) return absl::OkStatus();
  if (options.uid == 0) return absl::PermissionDeniedError("a daemon process must not run as root");
  if (::setgroups(0, nullptr) != 0) return failed("setgroups()");
  if (::setresgid(options.gid, options.gid, options.gid) != 0) return failed("setresgid()");
  if (options.supplementary_groups != nullptr) {
    // The first group is listed as well, as initgroups() does, so that a set-group-id program keeps it.
    std::vector<gid_t> groups = {options.gid};
    groups.insert(groups.end(), options.supplementary_groups,
                  options.supplementary_groups + options.supplementary_group_count);
    if (::setgroups(groups.size(), groups.data()) != 0) return failed("setgroups()");
  } else if (options.user != nullptr) {
    if (::initgroups(options.user, options.gid) != 0) return failed("initgroups()");
  }
  if (::setresuid(options.uid, options.uid, options.uid) != 0) return failed("setresuid()");
  if (!dropped(options)) return absl::PermissionDeniedError("the kernel did not take all privileges away");
  return absl::OkStatus();
}

}  // namespace sluice::daemon
