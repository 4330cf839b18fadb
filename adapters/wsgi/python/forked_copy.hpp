// SPDX-License-Identifier: Apache-2.0
// Detection of forked copies: processes that an application has forked from a serving process and that return to the
// server's code.
//
// A copy has the request's connection, the listening sockets and the shared recording memory of the process that the
// server started. No parent supervises it, and its requests would be counted twice. Therefore it may run code of the
// application, but it ends when it returns to the server's code, before it sends, reads, accepts or records anything.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include "bindings/host.hpp"

namespace sluice::wsgi {

/// Marks the process that the server started with a byte in a page that the kernel zeroes in every child with
/// memory of its own, whichever system call created the child. Where the kernel cannot do that, process ids are
/// compared.
class ForkedCopy {
 public:
  /// Marks the calling process as serving. Called once in a process, before code of an application runs. `host`
  /// logs the end of copies and is never destroyed.
  static void mark_original(const bindings::Host& host) noexcept;

  /// Marks a process that the server itself has forked from a marked one. Does nothing in a process that is marked
  /// already or that runs no Python. Called once in a process, on the thread that called fork(), before code of an
  /// application runs.
  static void mark_server_fork() noexcept;

  /// Returns true in a copy of a marked process. Costs one load.
  [[nodiscard]] static bool is_this() noexcept {
    if (mark_ != nullptr) [[likely]]
      return *mark_ == 0;
    return original_ != 0 && ::getpid() != original_;
  }

  /// Ends the process with a line in the log when it is a copy. The caller may hold a GIL.
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
