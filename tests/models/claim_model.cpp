// SPDX-License-Identifier: Apache-2.0
// Models threads that claim a slot, serve and release it, against a reader. A slot is discovered once it is claimed,
// and its next owner continues its counters.
#include "run.hpp"
#include "sluice/detail/claim.hpp"
#include "world.hpp"

namespace sluice::models {
namespace {

/// Each thread claims the first free slot, if there is one, serves, and releases it.
template <class T, int kSlots, int kWriters>
struct Claim : Suite<Claim<T, kSlots, kWriters>, kWriters + 1> {
  using Here = World<T, kSlots, RelacyAsymmetricFence>;

  void before() {
    world = std::make_unique<Here>();
    world->watch([](auto& counts) -> auto& { return counts.sums[0]; });
    alone = false;
  }

  void thread(unsigned index) {
    if (index == kWriters) {
      for (int i = 0; i < load.cuts; ++i) world->cut(AlwaysWait());
      return;
    }
    const std::uint32_t owned = detail::owned_by(index + 1);
    const std::optional<std::size_t> slot = detail::claim_lowest(world->array(), owned);
    if (!slot) return;
    for (int i = 0; i < load.records; ++i) world->serve(*slot);
    detail::release(world->array(), *slot, owned);
  }

  void after() { world->end(); }

  std::unique_ptr<Here> world;
};

/// Reads the slots below high_water, as totals() in drain_coordinator.cpp does. Each has been claimed.
struct Listed : Suite<Listed, 3> {
  using Here = World<Call, 2, RelacyAsymmetricFence>;

  void before() {
    world = std::make_unique<Here>();
    alone = false;
  }

  void thread(unsigned index) {
    const detail::SlotArray<RelacyAtomics> array = world->array();
    if (index < 2) {
      require(detail::claim(array, index, detail::owned_by(index + 1)), "a slot of its own is taken");
      return;
    }
    const std::uint32_t used = array.high_water->load(std::memory_order_acquire);  // [S4]
    if (used == 0) return;
    const std::uint32_t state = array.slot(used - 1).header().state.load(std::memory_order_relaxed);
    require(state != 0, "a slot that is listed was not claimed");
  }

  std::unique_ptr<Here> world;
};

/// The scenarios of one schema.
template <class T>
void explore(Run& run) {
  run.of = Sample<T>::kName;
  run.explore<Claim<T, 1, 1>>("claim: 1 writer, 1 slot, 1 record, 1 cut", {1, 1}, Preemptions{5});
  run.explore<Claim<T, 1, 1>>("claim: 1 writer, 1 slot, 2 records, 3 cuts", {2, 3}, Preemptions{3});
  run.explore<Claim<T, 1, 2>>("claim: 2 writers, 1 slot, 1 record, 1 cut", {1, 1}, Preemptions{3});
  run.explore<Claim<T, 1, 2>>("claim: 2 writers, 1 slot, 1 record, 2 cuts", {1, 2}, Preemptions{3});
  run.explore<Claim<T, 2, 2>>("claim: 2 writers, 2 slots, 1 record, 2 cuts", {1, 2}, Preemptions{2});
  if (long_run()) run.explore<Claim<T, 2, 3>>("claim: 3 writers, 2 slots, 1 record, 1 cut", {1, 1}, Preemptions{2});
  const unsigned schedules = long_run() ? 1'000'000 : 25'000;
  run.explore<Claim<T, 2, 3>>("claim: 3 writers, 2 slots, 3 records, 3 cuts", {3, 3}, RandomSchedules{schedules});
}

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  Run run(argc, argv);
  run.explore<Listed>("claim: lifetime totals", {}, EverySchedule());
  explore<Call>(run);
  explore<sluice::wsgi::Completion>(run);
  return run.end();
}
