// SPDX-License-Identifier: Apache-2.0
// Memory shared with other processes that a forked child must not share: at the child's start it is replaced by private
// zeroed memory at the same addresses. The kernel does this by itself for private memory only (MADV_WIPEONFORK).
#pragma once

#include <cstddef>

namespace sluice::inline v0_1::os {

/// While the object exists, each fork() of this process gives the child private zeros in a range of whole pages.
///
/// A handler of pthread_atfork() does this; it is removed with the shared object that registered it. Children that
/// fork() did not make are not covered: a child of vfork() or posix_spawn() may only execute another program, and a
/// child of the bare system call must not record. If the kernel has no memory for the child's pages, the range becomes
/// inaccessible: the child may still execute a program, and is killed when it records. If the kernel refuses that too,
/// the child exits at once, before it can write memory of its parent.
class ForkWipe {
 public:
  /// Adds a range. Throws std::bad_alloc if the handler cannot be registered.
  ForkWipe(void* data, std::size_t size);
  ForkWipe(const ForkWipe&) = delete;
  ForkWipe& operator=(const ForkWipe&) = delete;
  ~ForkWipe();

 private:
  friend struct ForkHandlers;

  void* data_;
  std::size_t size_;
  ForkWipe* next_;
};

}  // namespace sluice::os
