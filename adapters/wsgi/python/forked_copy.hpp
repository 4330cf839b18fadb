// Copies of the serving process that an application makes with fork(), and that come back into the server's code.
//
// Such a copy has the connection of the request, the listening sockets and the shared recording memory of the process
// that the server started. Nobody supervises it and nobody counts what it does. So it may run code of the application
// as long as it likes, but it ends as soon as it returns to this code: before it sends, reads, accepts or records.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include "bindings/host.hpp"

namespace sluice::wsgi {

/// The mark of the process that the server started: a byte in a page that the kernel zeroes in every child that does
/// not share this memory, whatever system call made it. Where the kernel cannot do that, process ids are compared.
class ForkedCopy {
 public:
  /// Marks the calling process as the one that serves. Once a process, before code of an application runs. `host` logs
  /// the end of copies and outlives the process.
  static void mark_original(const bindings::Host& host) noexcept;

  /// Marks a process that the server itself has forked from a marked one, so that it serves like that one. Does nothing
  /// in a process that is marked already or that runs no Python. Once a process, on the thread that called fork(),
  /// before code of an application runs.
  static void mark_server_fork() noexcept;

  /// True in a copy of a marked process. Costs one load.
  [[nodiscard]] static bool is_this() noexcept {
    if (mark_ != nullptr) [[likely]]
      return *mark_ == 0;
    return original_ != 0 && ::getpid() != original_;
  }

  /// Ends this process with a line in the log if it is a copy. With or without the lock of an interpreter.
  static void end_if_this() noexcept {
    if (is_this()) [[unlikely]]
      end();
  }

 private:
  [[noreturn, gnu::cold]] static void end() noexcept;

  static inline constinit volatile unsigned char* mark_ = nullptr;
  static inline constinit pid_t original_ = 0;
  static inline constinit const bindings::Host* host_ = nullptr;
};

}  // namespace sluice::wsgi
