// SPDX-License-Identifier: Apache-2.0
// Models requests with and without labels: each series has its own requests in every window, whether cuts wait for the
// writer or defer its share, and whether or not the system refuses their fence at first.
#include "run.hpp"
#include "world.hpp"

namespace sluice::models {
namespace {

template <class T, int kWriters, std::size_t kSeries, class Wait, class Fence = RelacyAsymmetricFence>
struct SeriesOf : Suite<SeriesOf<T, kWriters, kSeries, Wait, Fence>, kWriters + 1> {
  using Here = World<T, kWriters, Fence, kSeries>;

  /// Requests that were served before leave lists and extremes in both banks, and make the epoch even or odd.
  void before() {
    world = std::make_unique<Here>();
    world->watch([](auto& counts) -> auto& { return counts.sums[0]; });
    world->watch([](auto& counts) -> auto& { return counts.extremes[0]; });
    world->claim_all();
    for (int i = 0; i < load.before; ++i) {
      world->serve(0);
      world->cut(AlwaysWait());
    }
    RelacyRefusedFence::refusals = 2;
    alone = false;
  }

  void thread(unsigned index) {
    if (index < kWriters) {
      for (int i = 0; i < load.records; ++i) world->serve(index);
    } else {
      for (int i = 0; i < load.cuts; ++i) world->cut(Wait());
    }
  }

  void after() { world->end(); }

  std::unique_ptr<Here> world;
};

/// The scenarios of one schema.
template <class T>
void explore(Run& run) {
  run.of = Sample<T>::kName;
  run.explore<SeriesOf<T, 1, 1, AlwaysWait>>("series: 1 record, 1 cut", {1, 1, 1}, Preemptions{4});
  run.explore<SeriesOf<T, 1, 2, NeverWait>>("series: deferred, 2 records, 4 cuts", {2, 4, 1}, Preemptions{3});
  if (searches_large<T>()) {
    run.explore<SeriesOf<T, 1, 2, AlwaysWait>>("series: 3 records, 2 cuts", {3, 2, 4},
                                               Preemptions{long_run() ? 4U : 3U});
    run.explore<SeriesOf<T, 1, 2, NeverWait>>("series: deferred, 3 records, 5 cuts", {3, 5, 3}, Preemptions{3});
  }
  const unsigned schedules = long_run() ? 1'000'000 : 25'000;
  run.explore<SeriesOf<T, 2, 2, NeverWait>>("series: 2 writers, 4 records, 7 cuts", {4, 7, 2},
                                            RandomSchedules{schedules});
}

/// Cuts that the system refuses and that are made again. What is read is the same for each schema.
void explore_refused(Run& run) {
  using Refused = RelacyRefusedFence;
  run.of = Sample<Call>::kName;
  const Preemptions search{long_run() ? 3U : 2U};
  run.explore<SeriesOf<Call, 1, 2, AlwaysWait, Refused>>("series: refused, 2 records, 2 cuts", {2, 2, 3}, search);
  run.explore<SeriesOf<Call, 1, 2, NeverWait, Refused>>("series: refused, deferred, 3 records, 3 cuts", {3, 3, 1},
                                                        search);
}

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  Run run(argc, argv);
  explore<Call>(run);
  explore<sluice::wsgi::Completion>(run);
  explore_refused(run);
  return run.end();
}
