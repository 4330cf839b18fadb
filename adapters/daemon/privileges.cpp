#include "adapters/daemon/privileges.hpp"

#include <grp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace sluice::daemon {
namespace {

absl::Status failed(const char* call) {
  return absl::PermissionDeniedError(absl::StrCat(call, " failed: ", std::strerror(errno)));
}

bool dropped(const Group& group) {
  uid_t uids[3];
  gid_t gids[3];
  if (::getresuid(&uids[0], &uids[1], &uids[2]) != 0 || ::getresgid(&gids[0], &gids[1], &gids[2]) != 0) return false;
  for (const uid_t uid : uids) {
    if (uid != group.uid) return false;
  }
  for (const gid_t gid : gids) {
    if (gid != group.gid) return false;
  }
  // What was given up for good cannot be taken back.
  return ::setuid(0) != 0 && ::geteuid() == group.uid;
}

}  // namespace

absl::Status drop_privileges(const Group& group) {
  if (::geteuid() != 0) return absl::OkStatus();
  if (group.uid == 0) return absl::PermissionDeniedError("a daemon process must not run as root");
  if (::setgroups(0, nullptr) != 0) return failed("setgroups()");
  if (::setresgid(group.gid, group.gid, group.gid) != 0) return failed("setresgid()");
  if (group.user != nullptr) {
    if (::initgroups(group.user, group.gid) != 0) return failed("initgroups()");
  }
  if (::setresuid(group.uid, group.uid, group.uid) != 0) return failed("setresuid()");
  if (!dropped(group)) return absl::PermissionDeniedError("the kernel did not take all privileges away");
  return absl::OkStatus();
}

}  // namespace sluice::daemon
