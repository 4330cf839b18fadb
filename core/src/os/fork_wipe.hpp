// Memory shared with other processes that a forked child must not share: at the child's start private zeroed memory
// takes its place, at the same addresses. The kernel does this by itself for private memory only (MADV_WIPEONFORK).
#pragma once

#include <cstddef>

namespace sluice::os {

/// As long as it lives, each fork() of this process gives the child zeros of its own in this range. Whole pages.
///
/// Done by a handler of pthread_atfork(), which goes with the shared object that registered it. A child that fork() did
/// not make is not covered: that of vfork() or posix_spawn() may only execute another program, and one of the bare
/// system call must not record. Where there is no memory for the child's own pages it can reach none instead: it may
/// still execute a program, and dies when it records. Where even that is refused it ends at once, before it can write
/// what is its parent's.
class ForkWipe {
 public:
  /// Throws std::bad_alloc if the handler cannot be registered.
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
