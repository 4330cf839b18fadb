// Signals that end a process of a server without threads. There the server leaves from inside its signal handler, on
// the thread that serves requests: in the middle of a request that would run Python's end inside Python, or inside
// malloc. So while a request is served the signal waits for its end.
#pragma once

namespace sluice::apache {

class DeferredSignals {
 public:
  /// Puts handlers before those that the server has for SIGTERM and SIGHUP. Once a process, on its only thread.
  static void install() noexcept;

  /// A scope in which they wait. A signal that came meanwhile is handled when the outermost scope ends, which then does
  /// not return. The side of the client that is still to be read is closed when it comes, so that a request does not
  /// wait for a body that may never arrive. Does nothing where install() was not called.
  class Scope {
   public:
    /// `client` is the socket of the connection, or -1.
    explicit Scope(int client) noexcept;
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope();
  };
};

}  // namespace sluice::apache
