// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/deferred_signals.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "tests/catch.hpp"

namespace {

volatile sig_atomic_t handled = 0;

void note(int) { handled = handled + 1; }

}  // namespace

TEST_CASE("deferred signals: one waits for the end of the request, and leaves errno as it was") {
  using sluice::apache::DeferredSignals;
  const auto end = ::signal(SIGTERM, note);
  const auto hang_up = ::signal(SIGHUP, note);
  DeferredSignals::install();
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);  // not connected, so it cannot be shut down
  {
    const DeferredSignals::Scope request(client);
    errno = EAGAIN;
    ::raise(SIGTERM);
    const int error = errno;
    CHECK(error == EAGAIN);
    CHECK(handled == 0);
  }
  CHECK(handled == 1);
  ::close(client);
  ::signal(SIGTERM, end);
  ::signal(SIGHUP, hang_up);
}
