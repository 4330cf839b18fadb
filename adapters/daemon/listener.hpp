// The listening socket of a daemon process: whether its descriptor still stands for it, and whether accept() waits.
#pragma once

#include <sys/types.h>

namespace sluice::daemon {

/// An application can close the descriptor, or put another file under its number, while every worker sleeps in
/// accept(). A process without its listener would live on and answer nobody.
class ListenerCheck {
 public:
  /// Remembers which socket the descriptor stands for.
  explicit ListenerCheck(int listener) noexcept;

  /// Returns null while the descriptor is the socket that it was, and connections can arrive; else what has become of
  /// it, as a clause for the log. Any thread; three system calls.
  [[nodiscard]] const char* why_lost() const noexcept;

  /// Whether an error of accept() says that the descriptor is no listening socket, rather than that connections or
  /// memory have run out.
  [[nodiscard]] static bool is_lost(int accept_error) noexcept;

 private:
  const int listener_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

/// Makes accept() wait again: clears O_NONBLOCK and O_ASYNC, and the receive timeout. All three belong to the open
/// socket that the parent and every process of the group share, so what one application sets outlives its process.
/// Returns whether a flag or the timeout was set.
bool restore_blocking(int listener) noexcept;

}  // namespace sluice::daemon
