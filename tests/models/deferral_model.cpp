// SPDX-License-Identifier: Apache-2.0
// Models a writer against a reader that does not wait: a record that is being written defers its slot's share over
// several cuts.
#include "run.hpp"
#include "world.hpp"

namespace sluice::models {
namespace {

/// Requests that were served before leave extremes in both banks, and make the epoch even or odd.
template <class T, int kWriters>
struct Deferral : Suite<Deferral<T, kWriters>, kWriters + 1> {
  using Here = World<T, kWriters, RelacyAsymmetricFence>;

  void before() {
    world = std::make_unique<Here>();
    world->watch([](auto& counts) -> auto& { return counts.sums[0]; });
    world->watch([](auto& counts) -> auto& { return counts.extremes[0]; });
    world->claim_all();
    for (int i = 0; i < load.before; ++i) {
      world->serve(0);
      world->cut(AlwaysWait());
    }
    alone = false;
  }

  void thread(unsigned index) {
    if (index < kWriters) {
      for (int i = 0; i < load.records; ++i) world->serve(index);
    } else {
      for (int i = 0; i < load.cuts; ++i) world->cut(NeverWait());
    }
  }

  void after() { world->end(); }

  std::unique_ptr<Here> world;
};

/// The scenarios of one schema.
template <class T>
void explore(Run& run) {
  run.of = Sample<T>::kName;
  run.explore<Deferral<T, 1>>("deferral: 1 record, 1 cut", {1, 1}, EverySchedule());
  run.explore<Deferral<T, 1>>("deferral: 1 record, 4 cuts", {1, 4, 1}, Preemptions{3});
  run.explore<Deferral<T, 1>>("deferral: 1 record, 5 cuts", {1, 5, 2}, Preemptions{3});
  run.explore<Deferral<T, 1>>("deferral: 2 records, 4 cuts", {2, 4}, Preemptions{3});
  run.explore<Deferral<T, 1>>("deferral: 2 records, 5 cuts", {2, 5, 3}, Preemptions{long_run() ? 4U : 3U});
  run.explore<Deferral<T, 2>>("deferral: 2 writers, 1 record, 2 cuts", {1, 2}, Preemptions{long_run() ? 3U : 2U});
  const unsigned schedules = long_run() ? 2'000'000 : 25'000;
  run.explore<Deferral<T, 2>>("deferral: 2 writers, 4 records, 7 cuts", {4, 7, 2}, RandomSchedules{schedules});
}

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  Run run(argc, argv);
  explore<Call>(run);
  explore<sluice::wsgi::Completion>(run);
  return run.end();
}
