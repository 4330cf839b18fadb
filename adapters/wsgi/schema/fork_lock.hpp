// SPDX-License-Identifier: Apache-2.0
// A lock that a forked child can take, though a thread that the child does not have held it at the moment of the fork.
#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <thread>

namespace sluice::wsgi {

/// For short sections, because threads that wait for it yield. Satisfies BasicLockable. All-zero bytes are a lock that
/// is free.
class ForkLock {
 public:
  /// Takes the lock. Returns true in a forked child that takes it from a thread of its parent, which may have been in
  /// the middle of a change. Blocks while another thread of this process holds the lock.
  bool lock() noexcept {
    const auto own = static_cast<std::uint32_t>(::getpid());
    for (;;) {
      std::uint32_t holder = 0;
      if (holder_.compare_exchange_strong(holder, own, std::memory_order_acquire)) return false;
      if (holder != own && holder_.compare_exchange_strong(holder, own, std::memory_order_acquire)) return true;
      std::this_thread::yield();
    }
  }
  void unlock() noexcept { holder_.store(0, std::memory_order_release); }

 private:
  std::atomic<std::uint32_t> holder_{0};  ///< Process id of the holder; 0 when the lock is free.
};

}  // namespace sluice::wsgi
