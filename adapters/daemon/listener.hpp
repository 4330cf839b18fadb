// SPDX-License-Identifier: Apache-2.0
// Checks of the listening socket of a daemon process, which its application can close or change.
#pragma once

#include <sys/types.h>

namespace sluice::daemon {

/// Detects that the application has closed the descriptor, or has put another file under its number, while all workers
/// sleep in accept(). Such a process would stay alive and answer no request.
class ListenerCheck {
 public:
  /// Records the identity of the socket.
  explicit ListenerCheck(int listener) noexcept;

  /// Returns null while the descriptor is the same socket and connections can arrive; otherwise what has happened to
  /// it, as a clause for the log. Any thread may call it. Costs two system calls.
  [[nodiscard]] const char* why_lost() const noexcept;

  /// Returns true for the errors of accept() that mean that the descriptor is no listening socket, and false for a lack
  /// of descriptors or memory.
  [[nodiscard]] static bool is_lost(int accept_error) noexcept;

 private:
  const int listener_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

/// Makes accept() block again: clears O_NONBLOCK and O_ASYNC and the receive timeout. All three belong to the open
/// socket that the parent and the processes of the group share, so they outlive the process that set them. Returns true
/// when a flag or the timeout was set.
bool restore_blocking(int listener) noexcept;

}  // namespace sluice::daemon
