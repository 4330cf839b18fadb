// SPDX-License-Identifier: Apache-2.0
// Preloaded into a server: has one step by which a daemon process becomes another user fail.
//   SLUICE_FAIL_STEP    setgroups, setresgid, initgroups, setresuid, chdir, prctl: the call that fails
//                       getresuid, getresgid: the call tells of ids that the process must not have any more
//                       setresuid-lies, setresgid-lies, setgroups-lies: the call does nothing, and says that it did
//   SLUICE_FAIL_ERRNO   the number of the error
// Only daemon processes drop all supplementary groups, so a process is one from then on. Apache's own children use the
// same calls before, and are left alone.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static int in_daemon_process;

static int is_step(const char* name) {
  const char* step = getenv("SLUICE_FAIL_STEP");
  return step != NULL && strcmp(step, name) == 0;
}

static int fail(void) {
  errno = atoi(getenv("SLUICE_FAIL_ERRNO"));
  return -1;
}

int setgroups(size_t size, const gid_t* list) {
  if (size == 0) in_daemon_process = 1;
  if (size == 0 && is_step("setgroups")) return fail();
  const gid_t root = 0;
  int (*next)(size_t, const gid_t*) = dlsym(RTLD_NEXT, "setgroups");
  if (size == 0 && is_step("setgroups-lies")) return next(1, &root);
  return next(size, list);
}

int initgroups(const char* user, gid_t group) {
  if (in_daemon_process && is_step("initgroups")) return fail();
  if (in_daemon_process && is_step("setgroups-lies")) return 0;
  int (*next)(const char*, gid_t) = dlsym(RTLD_NEXT, "initgroups");
  return next(user, group);
}

int setresgid(gid_t real, gid_t effective, gid_t saved) {
  if (in_daemon_process && is_step("setresgid")) return fail();
  if (in_daemon_process && is_step("setresgid-lies")) return 0;
  int (*next)(gid_t, gid_t, gid_t) = dlsym(RTLD_NEXT, "setresgid");
  return next(real, effective, saved);
}

int setresuid(uid_t real, uid_t effective, uid_t saved) {
  if (in_daemon_process && is_step("setresuid")) return fail();
  if (in_daemon_process && is_step("setresuid-lies")) return 0;
  int (*next)(uid_t, uid_t, uid_t) = dlsym(RTLD_NEXT, "setresuid");
  return next(real, effective, saved);
}

int getresuid(uid_t* real, uid_t* effective, uid_t* saved) {
  int (*next)(uid_t*, uid_t*, uid_t*) = dlsym(RTLD_NEXT, "getresuid");
  const int result = next(real, effective, saved);
  if (in_daemon_process && is_step("getresuid")) *saved = 0;
  return result;
}

int getresgid(gid_t* real, gid_t* effective, gid_t* saved) {
  int (*next)(gid_t*, gid_t*, gid_t*) = dlsym(RTLD_NEXT, "getresgid");
  const int result = next(real, effective, saved);
  if (in_daemon_process && is_step("getresgid")) *saved = 0;
  return result;
}

int chdir(const char* path) {
  if (in_daemon_process && is_step("chdir")) return fail();
  int (*next)(const char*) = dlsym(RTLD_NEXT, "chdir");
  return next(path);
}

int prctl(int option, ...) {
  va_list list;
  va_start(list, option);
  unsigned long arguments[4];
  for (int i = 0; i < 4; ++i) arguments[i] = va_arg(list, unsigned long);
  va_end(list);
  if (in_daemon_process && option == PR_SET_PDEATHSIG && is_step("prctl")) return fail();
  int (*next)(int, ...) = dlsym(RTLD_NEXT, "prctl");
  return next(option, arguments[0], arguments[1], arguments[2], arguments[3]);
}
