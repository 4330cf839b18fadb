// The signs of life that a process gives to its parent, in memory that both share. The process beats from the thread
// that watches over its limits, so a process that does not beat is one that does not run at all: stopped, or starved.
// Its own watch can do nothing about that; the parent's can.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace sluice::daemon {

/// All zeros at first. Written by the process, read by its parent; nothing is ordered by it, hence relaxed throughout.
struct Pulse {
  std::atomic<std::uint64_t> beats{0};
  std::atomic<bool> served{false};  ///< An application has answered a request.

  void beat() noexcept { beats.store(beats.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed); }
};

/// So many pulses for this process and those that it forks, for as long as any of them lives. Null if there is no
/// memory.
[[nodiscard]] Pulse* map_pulses(std::size_t count) noexcept;

/// What somebody makes of a counter that changes as long as all is well, and of how often he looks at it himself. Plain
/// data; all zeros is a counter that nobody has looked at.
struct PulseWatch {
  std::uint64_t beats;      ///< As they were at the last look.
  std::uint64_t silent_ns;  ///< Since when there has been none, as far as the looks came at their usual pace.
  int looks;                ///< Without a beat, in a row.

  /// Looks, `elapsed_ns` after the last look: true if there has been no beat for the limit and for two looks. A pause
  /// of more than `most_ns` between looks does not count: then whoever looks did not run himself, and can blame nobody.
  /// The second look spares what stood still only because the whole machine did.
  [[nodiscard]] bool silent(std::uint64_t now, std::uint64_t elapsed_ns, std::uint64_t most_ns,
                            std::uint64_t limit_ns) noexcept;
};

}  // namespace sluice::daemon
