// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/heartbeat.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <new>
#include <utility>

namespace sluice::daemon {
namespace {

std::size_t page_bytes() noexcept { return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)); }

}  // namespace

Heartbeat* map_heartbeat() noexcept {
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);
  void* const page = ::mmap(nullptr, page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return page != MAP_FAILED ? new (page) Heartbeat : nullptr;
}

void keep_from_later_children(Heartbeat* heartbeat) noexcept {
  if (heartbeat != nullptr) ::madvise(heartbeat, page_bytes(), MADV_DONTFORK);
}

void unmap_heartbeat(Heartbeat* heartbeat) noexcept {
  if (heartbeat != nullptr) ::munmap(heartbeat, page_bytes());
}

bool StallDetector::stalled(std::uint64_t now, std::uint64_t elapsed_ns, std::uint64_t most_ns,
                            std::uint64_t limit_ns) noexcept {
  if (std::exchange(beats, now) != now) {
    silent_ns = 0;
    looks = 0;
    return false;
  }
  if (elapsed_ns > most_ns) return false;
  silent_ns += elapsed_ns;
  ++looks;
  return looks >= 2 && silent_ns >= limit_ns;
}

}  // namespace sluice::daemon
