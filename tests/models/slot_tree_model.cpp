// SPDX-License-Identifier: Apache-2.0
// Models the tree that says which slots are taken, with two bits a word, so that a few slots have three levels.
// Whatever takes and gives back slots meanwhile, no slot is taken twice, and at rest each bit says the truth.
#include "run.hpp"
#include "sluice/detail/slot_tree.hpp"
#include "world.hpp"

namespace sluice::models {
namespace {

/// A tree whose slots are taken except for some, and threads that give back one slot of their own and take others.
template <std::size_t kSlots, int kTakers, int kGivers>
struct Tree : Suite<Tree<kSlots, kTakers, kGivers>, kTakers + kGivers> {
  using Taken = detail::SlotTree<RelacyAtomics, 2>;
  static constexpr std::size_t kWords = Taken::words_for(kSlots);

  /// The givers have the slots from 0 on, the takers what is free behind them, and all others are taken for good.
  void before() {
    words = std::make_unique<RelacyAtomic<std::uint64_t>[]>(kWords);
    for (std::size_t slot = 0; slot < kSlots; ++slot) {
      owned[slot] = slot < kGivers || slot >= kGivers + kTakers;
      if (owned[slot]) require(tree().take(slot), "a free slot cannot be taken");
    }
    alone = false;
  }

  void thread(unsigned index) {
    if (index < kGivers) give_back(index);
    for (int i = 0; i < load.records; ++i) {
      const std::optional<std::size_t> slot = tree().lowest_free();
      if (!slot || !tree().take(*slot)) continue;
      require(*slot < kSlots, "a slot that does not exist");
      require(!std::exchange(owned[*slot], true), "a slot is taken twice");
      if (i + 1 < load.records) give_back(*slot);
    }
  }

  void after() {
    alone = true;
    std::size_t first = 0;
    std::size_t bits = kSlots;
    for (std::size_t slot = 0; slot < kSlots; ++slot) require(bit(0, slot) == owned[slot], "the bit of a slot");
    while (bits > 2) {
      const std::size_t next = first + (bits + 1) / 2;
      for (std::size_t word = 0; word < (bits + 1) / 2; ++word) {
        const bool full = bit(first, 2 * word) && (2 * word + 1 >= bits || bit(first, 2 * word + 1));
        require(full || !bit(next, word), "a word with a free slot seems to be full");
      }
      first = next;
      bits = (bits + 1) / 2;
    }
    const auto free = std::find(owned.begin(), owned.end(), false);
    const std::optional<std::size_t> lowest = tree().lowest_free();
    require(lowest.has_value() == (free != owned.end()), "whether a slot is free");
    require(!lowest || *lowest == static_cast<std::size_t>(free - owned.begin()), "the lowest free slot");
  }

  void give_back(std::size_t slot) {
    owned[slot] = false;
    tree().give_back(slot);
  }
  Taken tree() { return {words.get(), kSlots}; }
  bool bit(std::size_t first, std::size_t index) {
    return (words[first + index / 2].load(std::memory_order_relaxed) >> (index % 2) & 1) != 0;
  }

  std::unique_ptr<RelacyAtomic<std::uint64_t>[]> words;
  std::array<bool, kSlots> owned{};
};

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  Run run(argc, argv);
  run.explore<Tree<4, 1, 1>>("slot tree: 4 slots, one is taken while one is given back", {1, 0}, EverySchedule());
  run.explore<Tree<4, 2, 0>>("slot tree: 4 slots, two threads take", {1, 0}, EverySchedule());
  run.explore<Tree<4, 1, 1>>("slot tree: 4 slots, two threads, twice", {2, 0}, Preemptions{4});
  run.explore<Tree<8, 1, 1>>("slot tree: 8 slots, two threads, twice", {2, 0}, Preemptions{3});
  run.explore<Tree<4, 1, 2>>("slot tree: 4 slots, three threads", {1, 0}, Preemptions{3});
  run.explore<Tree<5, 1, 2>>("slot tree: 5 slots, three threads", {1, 0}, Preemptions{3});
  const unsigned schedules = long_run() ? 1'000'000 : 50'000;
  run.explore<Tree<8, 2, 2>>("slot tree: 8 slots, four threads, three times", {3, 0}, RandomSchedules{schedules});
  return run.end();
}
