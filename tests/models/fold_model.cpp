// Processes that end while a reader looks: what each counted is in the reading once, whether it is still in the place,
// already in the totals, or the place is another's by now.
#include "run.hpp"
#include "world.hpp"
// The code under test comes after Relacy's cells.
#include "sluice/detail/folds.hpp"

namespace sluice::models {
namespace {

/// Counts are told apart by their weight, and a count that is read twice by its digit in base 4.
constexpr std::uint64_t weight(int count) { return std::uint64_t{1} << (2 * count); }

constexpr bool has(std::uint64_t sum, int count) { return (sum >> (2 * count) & 3) == 1; }

enum Count : int { kLongAgo, kBefore, kLate, kOther, kNext, kCounts };

/// One process has ended before and one lives when the threads start. The parent's thread is also that of the processes
/// whose end it looks at: it has waited for them, so what they did comes before what it does.
template <bool kReused>
struct Fold : Suite<Fold<kReused>, kReused ? 3 : 2> {
  using Fence = RelacySymmetricFence;
  using Folds = detail::Folds<RelacyCells, 1>;

  struct Place {
    detail::Tenancy<RelacyCells> tenancy;
    RelacyAtomic<std::uint32_t> of;    ///< What is known of the process: here its own number.
    RelacyAtomic<std::uint64_t> word;  ///< What it has counted.

    bool begin(std::uint32_t process) {
      if (!tenancy.claim(process)) return false;
      of.store(process, std::memory_order_relaxed);
      tenancy.live(process);
      return true;
    }
    void count(int which) {
      word.store(word.load(std::memory_order_relaxed) + weight(which), std::memory_order_relaxed);
    }
  };

  void before() {
    folds = std::make_unique<Folds>();
    for (auto& place : places) place = std::make_unique<Place>();
    require_begin(*places[0], 1);
    places[0]->count(kLongAgo);
    fold(*places[0]);
    require_begin(*places[0], 2);
    places[0]->count(kBefore);
    alone = false;
  }

  void thread(unsigned index) {
    if (index == 0) {
      if (load.records > 0) places[0]->count(kLate);
      fold(*places[0]);
      if (load.records < 2) return;
      require_begin(*places[1], 3);
      places[1]->count(kOther);
      fold(*places[1]);
    } else if (index == 1) {
      for (int i = 0; i < load.cuts; ++i) read();
    } else if (places[0]->begin(4)) {
      places[0]->count(kNext);
    }
  }

  void after() {
    alone = true;
    const std::uint64_t before = seen;
    read();
    require((before & ~seen) == 0, "a count that was seen is gone at the end");
    for (int count = kLongAgo; count <= (load.records < 2 ? kBefore : kOther); ++count) {
      require(has(seen, count), "a count is missing at the end");
    }
  }

  static void require_begin(Place& place, std::uint32_t process) {
    require(place.begin(process), "a free place is taken");
  }

  void fold(Place& place) {
    folds->fold<Fence>(place.tenancy, {place.word.load(std::memory_order_relaxed)},
                       [&] { place.word.store(0, std::memory_order_relaxed); });
  }

  void read() {
    typename Folds::Sums sums;
    bool known = true;
    const bool coherent = folds->read<Fence>(sums, [&](typename Folds::Sums& to, const auto& life_of) {
      for (const auto& place : places) {
        const std::uint64_t life = life_of(place->tenancy);
        if (life == 0) continue;
        known = known && place->of.load(std::memory_order_relaxed) == life;
        to[0] += place->word.load(std::memory_order_relaxed);
      }
      return true;
    });
    if (!coherent) return;
    require(known, "what is known of a process is not of it");
    for (int count = 0; count < kCounts; ++count) require((sums[0] >> (2 * count) & 3) <= 1, "a count twice");
    require(sums[0] < weight(kCounts), "a count that never was");
    require(has(sums[0], kLongAgo) && has(sums[0], kBefore), "a count is missing");
    require((seen & ~sums[0]) == 0, "a count that was seen is gone");
    seen = sums[0];
  }

  std::unique_ptr<Folds> folds;
  std::array<std::unique_ptr<Place>, 2> places;
  std::uint64_t seen = 0;
};

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  Run run(argc, argv);
  run.explore<Fold<false>>("fold: 1 end, 1 reading", {.records = 0, .cuts = 1}, EverySchedule());
  run.explore<Fold<true>>("fold: 1 end, 1 reuse, 1 reading", {.records = 0, .cuts = 1}, Preemptions{4});
  run.explore<Fold<true>>("fold: 1 late count, 1 end, 1 reuse, 2 readings", {.records = 1, .cuts = 2}, Preemptions{3});
  run.explore<Fold<false>>("fold: 2 ends, 1 reading", {.records = 2, .cuts = 1}, Preemptions{3});
  const unsigned schedules = long_run() ? 2'000'000 : 50'000;
  run.explore<Fold<true>>("fold: 2 ends, 1 reuse, 3 readings", {.records = 2, .cuts = 3}, RandomSchedules{schedules});
  return run.end();
}
