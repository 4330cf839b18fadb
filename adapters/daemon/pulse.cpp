#include "adapters/daemon/pulse.hpp"

#include <sys/mman.h>

#include <utility>

namespace sluice::daemon {

Pulse* map_pulses(std::size_t count) noexcept {
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);
  void* const memory =
      ::mmap(nullptr, count * sizeof(Pulse), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory != MAP_FAILED ? static_cast<Pulse*>(memory) : nullptr;  // the kernel's zeros are what Pulse begins with
}

bool PulseWatch::silent(std::uint64_t now, std::uint64_t elapsed_ns, std::uint64_t most_ns,
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
