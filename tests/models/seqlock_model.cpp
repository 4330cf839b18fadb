// SPDX-License-Identifier: Apache-2.0
// Models values of which one thread stores the next while others copy the last. A copy that is kept is whole, is the
// one that its sequence names, and is not older than the copy before it.
#include "run.hpp"
#include "sluice/detail/seqlock.hpp"
#include "world.hpp"

namespace sluice::models {
namespace {

template <int kReaders>
struct Values : Suite<Values<kReaders>, 1 + kReaders> {
  /// Words that say the number of the value. The last may be changed alone, to what kLater says.
  struct Value {
    std::uint64_t first;
    std::uint64_t second;
    std::uint64_t changed;
  };
  static constexpr std::uint64_t kLater = 1000;

  void before() {
    place = std::make_unique<detail::Seqlock<RelacyAtomics, Value>>();
    for (int i = 0; i < load.before; ++i) store();
    alone = false;
  }

  void thread(unsigned index) {
    if (index == 0) {
      for (int i = 0; i < load.records; ++i) {
        store();
        place->put(2, number + kLater);
      }
      return;
    }
    std::uint64_t last = 0;
    for (int i = 0; i < load.cuts; ++i) {
      Value copy{};
      const std::uint64_t sequence = place->load(copy);
      if (sequence == 0) continue;
      require(copy.first * 2 == sequence, "another value than the sequence names");
      require(copy.second == copy.first + 1, "a torn value");
      require(copy.changed % kLater == copy.first, "a word of another value");
      require(sequence >= last, "an older value than before");
      last = sequence;
    }
  }

  /// At rest the last value is read.
  void after() {
    alone = true;
    Value copy{};
    require(place->load(copy) == 2 * number, "no value at rest");
    require(copy.first == number && copy.second == number + 1, "another value at rest");
  }

  void store() {
    ++number;
    place->store({number, number + 1, number}, sizeof(Value), place->own_sequence() + 2);
  }

  std::uint64_t number = 0;  ///< Number of the last value. Used by the writer only.
  std::unique_ptr<detail::Seqlock<RelacyAtomics, Value>> place;
};

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  Run run(argc, argv);
  run.explore<Values<1>>("seqlock: 1 value, 1 copy", {.records = 1, .cuts = 1}, EverySchedule());
  run.explore<Values<1>>("seqlock: 1 value after another, 2 copies", {.records = 1, .cuts = 2, .before = 1},
                         Preemptions{long_run() ? 6U : 4U});
  run.explore<Values<1>>("seqlock: 3 values, 2 copies", {.records = 3, .cuts = 2, .before = 1},
                         Preemptions{long_run() ? 4U : 3U});
  run.explore<Values<2>>("seqlock: 3 values, 2 readers", {.records = 3, .cuts = 2, .before = 1},
                         RandomSchedules{long_run() ? 1'000'000U : 50'000U});
  return run.end();
}
