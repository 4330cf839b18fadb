// SPDX-License-Identifier: Apache-2.0
// Deferral of the signals that end a process of an MPM without threads. Such an MPM exits inside its signal handler, on
// the thread that serves requests. In the middle of a request that would finalize Python inside Python, or inside
// malloc(). So the signal waits until the request has been served.
#pragma once

namespace sluice::apache {

class DeferredSignals {
 public:
  /// Installs handlers in front of the server's for SIGTERM and SIGHUP. Call it once per process, on its only thread.
  static void install() noexcept;

  /// A scope in which the signals wait. A signal that has arrived is handled when the outermost scope ends, which then
  /// does not return. Its arrival also ends the reading from the client, so that the request does not wait for a body
  /// that may never arrive. Does nothing when install() was not called.
  class Scope {
   public:
    /// `client` is the socket of the connection, or -1 when there is none.
    explicit Scope(int client) noexcept;
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope();
  };
};

}  // namespace sluice::apache
