// SPDX-License-Identifier: Apache-2.0
// Preloaded into a server whose parent leads its session: has the parent take 5 ms each time it looks at the clock.
// With ExtendedStatus it does so after it has found an ended child in the scoreboard, and before it reads the process
// id of that child there.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <unistd.h>

int64_t apr_time_now(void) {
  int64_t (*next)(void) = dlsym(RTLD_NEXT, "apr_time_now");
  if (getpid() == getsid(0)) usleep(5000);
  return next();
}
