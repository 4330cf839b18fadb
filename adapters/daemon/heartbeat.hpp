// The signs of life that a daemon process gives to its parent, in a page that only these two can write. The process
// beats from the thread that watches over its limits, so a process that does not beat does not run at all: it is
// stopped, or starved. Its own watch can do nothing about that; the parent's can.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::daemon {

/// All zeros at first. Written by the process, read by its parent; nothing is ordered by it, hence relaxed throughout.
/// The parent believes nothing of it that concerns another process.
struct Heartbeat {
  std::atomic<std::uint64_t> beats{0};
  std::atomic<bool> served{false};  ///< An application has answered a request.

  void beat() noexcept { beats.store(beats.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
};

/// A heartbeat in a page of its own, for this process and the one that it forks next. Null if there is no memory.
[[nodiscard]] Heartbeat* map_heartbeat() noexcept;

/// Keeps the page from processes that are forked later. Null is allowed, and does nothing.
void keep_from_later_children(Heartbeat* heartbeat) noexcept;

/// Null is allowed, and does nothing.
void unmap_heartbeat(Heartbeat* heartbeat) noexcept;

/// Notices that a counter has stopped which changes as long as all is well. Plain data; all zeros is a detector that
/// has not looked yet.
struct StallDetector {
  std::uint64_t beats;      ///< The counter at the last look.
  std::uint64_t silent_ns;  ///< Time without a beat, as far as the looks came at their usual pace.
  int looks;                ///< Number of looks without a beat, in a row.

  /// Looks, `elapsed_ns` after the last look: true if there has been no beat for the limit and for two looks. A pause
  /// of more than `most_ns` between looks does not count, because the observer itself did not run then. The second look
  /// spares a process that stood still only because the whole machine did.
  [[nodiscard]] bool stalled(std::uint64_t now, std::uint64_t elapsed_ns, std::uint64_t most_ns,
                             std::uint64_t limit_ns) noexcept;
};

}  // namespace sluice::daemon
