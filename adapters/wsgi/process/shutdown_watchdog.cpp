// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/process/shutdown_watchdog.hpp"

#include <semaphore.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <thread>

#include "absl/strings/str_cat.h"

namespace sluice::wsgi {
namespace {

constinit sem_t done{};  // static, because the thread is detached

void wait(int seconds, const bindings::Host& host) {
  timespec deadline{};
  ::clock_gettime(CLOCK_MONOTONIC, &deadline);
  deadline.tv_sec += seconds;
  while (::sem_clockwait(&done, CLOCK_MONOTONIC, &deadline) != 0) {
    if (errno != ETIMEDOUT) continue;
    host.log(
        LogLevel::kError,
        absl::StrCat("SLC0139: Python did not end within ", seconds,
                     " seconds of the request to stop; the process ends without finalizing it. Look for threads or "
                     "exit handlers of the application that do not end."));
    ::_exit(0);
  }
}

}  // namespace

ShutdownWatchdog::ShutdownWatchdog(int seconds, const bindings::Host& host) noexcept {
  ::sem_init(&done, 0, 0);
  try {
    std::thread(wait, seconds, std::cref(host)).detach();
  } catch (const std::system_error&) {
    host.log(LogLevel::kWarning,
             "SLC0140: no thread can be created to limit the time that Python takes to end; only the server's limits "
             "apply.");
  }
}

ShutdownWatchdog::~ShutdownWatchdog() { ::sem_post(&done); }

}  // namespace sluice::wsgi
