// How what an ended process had counted gets into its group's totals, and how those are read together with what the
// living have counted: each count exactly once, whatever is folded meanwhile. One process folds; any number of others
// read. Neither waits for the other, and no process that counts takes part.
//
//   Order map (the argument is in docs/memory-model.md, "Processes")
//     [G1] fold   store version  release   pairs with [G5]: who sees the version sees the totals that it names
//     [G2] fold   fence                    pairs with [G7]: who sees anything that comes after it, in the place or in
//                                          the other copy, sees that the version has changed
//     [G3] fold   store owner    release   pairs with [G4]: the next process finds the place cleared
//     [G4] claim  CAS   owner    acquire   pairs with [G3]
//     [G5] read   load  version  acquire   pairs with [G1]
//     [G6] read   load  life     acquire   pairs with [G9]: what is known of a process belongs to its life
//     [G7] read   fence                    pairs with [G2]
//     [G8] read   load  version  relaxed   ordered by [G7]
//     [G9] live   store life     release   pairs with [G6]
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/policy.hpp"

namespace sluice::detail {

/// Who has a place: a process that lives, or nobody. All-zero bytes are a free one.
template <class Cells>
struct Tenancy {
  typename Cells::template Atomic<std::uint32_t> owner;  ///< A number that is the owner's as long as it lives; 0: free.
  typename Cells::template Atomic<std::uint64_t> life;   ///< A number that never comes again; 0: not to be read.

  /// Takes the place for this process. False if another was quicker. Lock-free.
  [[nodiscard]] bool claim(std::uint32_t who) noexcept {
    std::uint32_t nobody = 0;
    return owner.compare_exchange_strong(nobody, who, std::memory_order_acquire, std::memory_order_relaxed);  // [G4]
  }

  /// What the owner counts is to be read from now on. Before it counts.
  void live(std::uint64_t number) noexcept { life.store(number, std::memory_order_release); }  // [G9]
};

/// The totals of a group's ended processes, in two copies of which the version names the one that counts. All-zero
/// bytes are those of no process.
template <class Cells, std::size_t kWords>
struct Folds {
  using Atomic64 = typename Cells::template Atomic<std::uint64_t>;
  using Sums = std::array<std::uint64_t, kWords>;

  struct Copy {
    Atomic64 last_life;  ///< Of the process that was folded into it last.
    Atomic64 words[kWords];
  };

  Atomic64 version;
  Copy copies[2];

  static constexpr std::size_t which(std::uint64_t of) noexcept { return of & 1; }

  /// Adds what an ended process had counted, has its place cleared, and frees it. Wait-free. One at a time, and by one
  /// process.
  template <class Fence, class Clear>
  void fold(Tenancy<Cells>& place, const Sums& counted, Clear&& clear) noexcept {
    const std::uint64_t now = version.load(std::memory_order_relaxed);  // own store
    const Copy& current = copies[which(now)];
    Copy& next = copies[which(now + 1)];
    for (std::size_t i = 0; i < kWords; ++i) {
      const std::uint64_t word = current.words[i].load(std::memory_order_relaxed);  // own store
      next.words[i].store(word + counted[i], std::memory_order_relaxed);            // published by [G1]
    }
    next.last_life.store(place.life.load(std::memory_order_relaxed), std::memory_order_relaxed);  // published by [G1]
    version.store(now + 1, std::memory_order_release);                                            // [G1]
    Fence::light();                                                                               // [G2]
    clear();
    place.life.store(0, std::memory_order_relaxed);   // after [G2]
    place.owner.store(0, std::memory_order_release);  // [G3]
  }

  /// Sets `sums` to the totals of the ended, and has `add_living(sums, life_of)` add those of the living:
  /// `life_of(place)` is 0 where nobody lives whose counts are not among the first. False if a process was folded
  /// meanwhile, or `add_living` said so: the sums are then of no use. Wait-free.
  template <class Fence, class AddLiving>
  [[nodiscard]] bool read(Sums& sums, AddLiving&& add_living) const noexcept {
    const std::uint64_t now = version.load(std::memory_order_acquire);  // [G5]
    const Copy& copy = copies[which(now)];
    for (std::size_t i = 0; i < kWords; ++i) sums[i] = copy.words[i].load(std::memory_order_relaxed);  // seen with [G5]
    const std::uint64_t folded = copy.last_life.load(std::memory_order_relaxed);                       // seen with [G5]
    const auto life_of = [folded](const Tenancy<Cells>& place) noexcept {
      const std::uint64_t life = place.life.load(std::memory_order_acquire);  // [G6]
      return life != folded ? life : 0;
    };
    if (!add_living(sums, life_of)) return false;
    Fence::light();                                         // [G7]
    return version.load(std::memory_order_relaxed) == now;  // [G8]
  }
};

}  // namespace sluice::detail
