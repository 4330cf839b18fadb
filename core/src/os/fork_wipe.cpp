// SPDX-License-Identifier: Apache-2.0
#include "os/fork_wipe.hpp"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mutex>
#include <new>

namespace sluice::inline v0_1::os {

/// The handlers of pthread_atfork() and the list of ranges. A fork holds the mutex, so that the child finds the list
/// whole.
struct ForkHandlers {
  static void prepare() noexcept { mutex.lock(); }
  static void parent() noexcept { mutex.unlock(); }

  static void child() noexcept {
    for (const ForkWipe* range = first; range != nullptr; range = range->next_) {
      constexpr int kPrivateZeros = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
      if (::mmap(range->data_, range->size_, PROT_READ | PROT_WRITE, kPrivateZeros, -1, 0) != MAP_FAILED) continue;
      if (::mprotect(range->data_, range->size_, PROT_NONE) != 0) ::_exit(1);
    }
    mutex.unlock();
  }

  static inline constinit std::mutex mutex;
  static inline constinit ForkWipe* first = nullptr;
  static inline constinit bool registered = false;
};

ForkWipe::ForkWipe(void* data, std::size_t size) : data_(data), size_(size) {
  const std::lock_guard lock(ForkHandlers::mutex);
  if (!ForkHandlers::registered) {
    if (::pthread_atfork(ForkHandlers::prepare, ForkHandlers::parent, ForkHandlers::child) != 0) throw std::bad_alloc();
    ForkHandlers::registered = true;
  }
  next_ = ForkHandlers::first;
  ForkHandlers::first = this;
}

ForkWipe::~ForkWipe() {
  const std::lock_guard lock(ForkHandlers::mutex);
  ForkWipe** link = &ForkHandlers::first;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
}

}  // namespace sluice::os
