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

/// What the parent makes of one pulse. Plain data; all zeros is a process that has just begun.
struct PulseWatch {
  std::uint64_t beats;      ///< As they were at the last look.
  std::uint64_t silent_ns;  ///< Since when there has been none, as far as the parent itself ran at its usual pace.
  int looks;                ///< Without a beat, in a row.

  /// Looks at the pulse, `elapsed_ns` after the last look: true if it has been silent for the limit and for two looks.
  /// The second look is what spares a process that stood still only because the machine did.
  [[nodiscard]] bool silent(const Pulse& pulse, std::uint64_t elapsed_ns, std::uint64_t limit_ns) noexcept;
};

/// How often the parent looks: less often than processes beat. After a longer pause it did not run itself, and nobody
/// can be blamed for having been silent.
inline constexpr std::uint64_t kLookLeastNs = 2'000'000'000;
inline constexpr std::uint64_t kLookMostNs = 20'000'000'000;

}  // namespace sluice::daemon
