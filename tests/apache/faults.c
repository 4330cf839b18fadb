// SPDX-License-Identifier: Apache-2.0
// Preloaded into a server: makes single system calls fail, as the environment says.
//   SLUICE_FAIL_FORK=path   fork() fails with EAGAIN while there is such a file
//   SLUICE_DIE_AT_ACCEPT=N  each daemon process is killed when it has accepted its Nth connection, before it reads
//   SLUICE_TERM_IN_PYTHON=path  the process in which Python first installs a handler of SIGTERM gets that signal at
//                           once, and removes the file
//   SLUICE_FAIL_STEP=name   that step of becoming another user fails with EPERM in daemon processes, which, unlike the
//                           server's own, use the calls for all ids. With `verification`, setresuid() does nothing;
//                           with `leftovers`, root's group stays
//   SLUICE_FULL_QUEUE=N     the first N tries of a process to report its end find the queue of the service full
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int in_daemon_process;

static int is_step(const char* name) {
  const char* step = getenv("SLUICE_FAIL_STEP");
  return step != NULL && strcmp(step, name) == 0;
}

static int fail(void) {
  errno = EPERM;
  return -1;
}

pid_t fork(void) {
  const char* path = getenv("SLUICE_FAIL_FORK");
  if (path != NULL && access(path, F_OK) == 0) {
    errno = EAGAIN;
    return -1;
  }
  pid_t (*next)(void) = dlsym(RTLD_NEXT, "fork");
  return next();
}

static int is_unix_socket(int descriptor) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

int accept4(int descriptor, struct sockaddr* address, socklen_t* size, int flags) {
  static atomic_int accepted;
  int (*next)(int, struct sockaddr*, socklen_t*, int) = dlsym(RTLD_NEXT, "accept4");
  const int connection = next(descriptor, address, size, flags);
  const char* number = getenv("SLUICE_DIE_AT_ACCEPT");
  if (number != NULL && connection >= 0 && is_unix_socket(descriptor) &&
      atomic_fetch_add(&accepted, 1) + 1 == atoi(number)) {
    kill(getpid(), SIGKILL);
  }
  return connection;
}

ssize_t sendto(int descriptor, const void* data, size_t size, int flags, const struct sockaddr* to, socklen_t length) {
  static atomic_int refused;
  const unsigned char process_stopping = 6;
  const char* number = getenv("SLUICE_FULL_QUEUE");
  const int reports_end =
      size > 5 && memcmp(data, "WSGI", 4) == 0 && ((const unsigned char*)data)[5] == process_stopping;
  if (number != NULL && reports_end && atomic_fetch_add(&refused, 1) < atoi(number)) {
    errno = EAGAIN;
    return -1;
  }
  ssize_t (*next)(int, const void*, size_t, int, const struct sockaddr*, socklen_t) = dlsym(RTLD_NEXT, "sendto");
  return next(descriptor, data, size, flags, to, length);
}

int sigaction(int number, const struct sigaction* action, struct sigaction* before) {
  int (*next)(int, const struct sigaction*, struct sigaction*) = dlsym(RTLD_NEXT, "sigaction");
  const int result = next(number, action, before);
  const char* path = getenv("SLUICE_TERM_IN_PYTHON");
  Dl_info owner;
  if (path != NULL && number == SIGTERM && action != NULL && dladdr((void*)action->sa_handler, &owner) != 0 &&
      strstr(owner.dli_fname, "libpython") != NULL && unlink(path) == 0) {
    raise(SIGTERM);
  }
  return result;
}

int setgroups(size_t size, const gid_t* list) {
  if (size == 0) in_daemon_process = 1;
  if (size == 0 && is_step("setgroups")) return fail();
  int (*next)(size_t, const gid_t*) = dlsym(RTLD_NEXT, "setgroups");
  const gid_t root = 0;
  if (size == 0 && is_step("leftovers")) return next(1, &root);
  return next(size, list);
}

int setresgid(gid_t real, gid_t effective, gid_t saved) {
  if (is_step("setresgid")) return fail();
  int (*next)(gid_t, gid_t, gid_t) = dlsym(RTLD_NEXT, "setresgid");
  return next(real, effective, saved);
}

int initgroups(const char* user, gid_t group) {
  if (in_daemon_process && is_step("initgroups")) return fail();
  if (in_daemon_process && is_step("leftovers")) return 0;
  int (*next)(const char*, gid_t) = dlsym(RTLD_NEXT, "initgroups");
  return next(user, group);
}

int setresuid(uid_t real, uid_t effective, uid_t saved) {
  if (is_step("setresuid")) return fail();
  if (is_step("verification")) return 0;
  int (*next)(uid_t, uid_t, uid_t) = dlsym(RTLD_NEXT, "setresuid");
  return next(real, effective, saved);
}
