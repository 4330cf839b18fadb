// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/deferred_signals.hpp"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>

namespace sluice::apache {
namespace {

constexpr std::array<int, 2> kSignals = {SIGTERM, SIGHUP};

constinit std::array<struct sigaction, 2> server_handlers{};
constinit pid_t owner = 0;
constinit volatile sig_atomic_t depth = 0;
constinit volatile sig_atomic_t pending = 0;
constinit volatile sig_atomic_t client_socket = -1;

/// Calls the server's handler for a signal.
void pass_on(int signal) {
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (kSignals[i] != signal) continue;
    const auto handler = server_handlers[i].sa_handler;
    if (handler != SIG_DFL && handler != SIG_IGN) return handler(signal);
    ::sigaction(signal, &server_handlers[i], nullptr);
    ::raise(signal);
  }
}

void handle(int signal) {
  if (::getpid() != owner) {
    // This is a process that the application forked without exec, so the server's handler must not run in it.
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    return;
  }
  if (depth == 0) return pass_on(signal);
  pending = signal;
  const int error = errno;  // belongs to the code that the signal has interrupted
  if (client_socket >= 0) ::shutdown(client_socket, SHUT_RD);
  errno = error;
}

}  // namespace

void DeferredSignals::install() noexcept {
  owner = ::getpid();
  struct sigaction action {};
  action.sa_handler = handle;
  ::sigemptyset(&action.sa_mask);
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    ::sigaction(kSignals[i], nullptr, &server_handlers[i]);
    ::sigaction(kSignals[i], &action, nullptr);
  }
}

DeferredSignals::Scope::Scope(int client) noexcept {
  if (owner == 0) return;
  if (client >= 0 || depth == 0) client_socket = client;  // a scope without a client keeps that of the outer one
  depth = depth + 1;
}

DeferredSignals::Scope::~Scope() {
  if (owner == 0) return;
  depth = depth - 1;
  if (depth == 0) client_socket = -1;
  if (depth == 0 && pending != 0 && ::getpid() == owner) pass_on(pending);
}

}  // namespace sluice::apache
