// SPDX-License-Identifier: Apache-2.0
// Preloaded into a server: widens a race of Apache's threaded MPMs at a stop that is not graceful, so that it is met at
// every stop under load. The main thread of a child process then closes the sockets of busy threads, at times one whose
// pool the thread is giving back, and crashes before any hook of a module.
//   SLUICE_STOP_RACE=microseconds   how long a thread runs on after it has given back the memory of a connection, and a
//                                   quarter of how long the main thread holds a socket before it closes it
// With MALLOC_PERTURB_ the memory given back has no sensible content.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef struct apr_pool_t apr_pool_t;
typedef struct apr_socket_t apr_socket_t;

static int is_main_thread(void) { return getpid() == (pid_t)syscall(SYS_gettid); }

// Keeps the thread busy, because a sleeping thread cannot be distinguished from an idle one.
static void run_on(void) {
  struct timespec begun, now;
  const long microseconds = atol(getenv("SLUICE_STOP_RACE"));
  clock_gettime(CLOCK_MONOTONIC, &begun);
  do {
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while ((now.tv_sec - begun.tv_sec) * 1000000 + (now.tv_nsec - begun.tv_nsec) / 1000 < microseconds);
}

int apr_socket_close(apr_socket_t* socket) {
  int (*next)(apr_socket_t*) = dlsym(RTLD_NEXT, "apr_socket_close");
  if (is_main_thread()) usleep(4 * atoi(getenv("SLUICE_STOP_RACE")));
  return next(socket);
}

void apr_pool_destroy(apr_pool_t* pool) {
  void (*next)(apr_pool_t*) = dlsym(RTLD_NEXT, "apr_pool_destroy");
  next(pool);
  if (!is_main_thread()) run_on();
}

void apr_pool_clear(apr_pool_t* pool) {
  void (*next)(apr_pool_t*) = dlsym(RTLD_NEXT, "apr_pool_clear");
  next(pool);
  if (!is_main_thread()) run_on();
}
