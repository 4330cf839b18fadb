// SPDX-License-Identifier: Apache-2.0
// The heartbeat of a daemon process, in a page that only the process and its parent can write. The thread that checks
// the limits of the process increments a counter. A counter that stands still means that the process does not run at
// all, because it is stopped or starved, so only its parent can end it.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::daemon {

/// All zeros at first. The process writes it and its parent reads it. All accesses are relaxed, because no other data
/// is published with it. The parent uses it for decisions about this process only, because the application can write
/// any value.
struct Heartbeat {
  std::atomic<std::uint64_t> beats{0};
  std::atomic<bool> served{false};  ///< An application has answered a request.

  void beat() noexcept { beats.store(beats.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
};

/// Maps a heartbeat that this process shares with the one that it forks next. Returns null when there is no memory.
[[nodiscard]] Heartbeat* map_heartbeat() noexcept;

/// Excludes the page from processes that are forked later. Null is allowed, and does nothing.
void keep_from_later_children(Heartbeat* heartbeat) noexcept;

/// Null is allowed, and does nothing.
void unmap_heartbeat(Heartbeat* heartbeat) noexcept;

/// Detects that a counter, which changes as long as a process runs, stands still. Plain data; all zeros is a detector
/// before its first check.
struct StallDetector {
  std::uint64_t beats;      ///< The counter at the last check.
  std::uint64_t silent_ns;  ///< Time without a beat, without the pauses that stalled() ignores.
  int looks;                ///< Number of checks without a beat, in a row.

  /// Checks the counter `now`, `elapsed_ns` after the last check. Returns true when it has stood still for `limit_ns`
  /// and for two checks. A pause of more than `most_ns` between checks does not count, because the observer itself did
  /// not run. The second check spares a process that stood still because the whole machine did.
  [[nodiscard]] bool stalled(std::uint64_t now, std::uint64_t elapsed_ns, std::uint64_t most_ns,
                             std::uint64_t limit_ns) noexcept;
};

}  // namespace sluice::daemon
