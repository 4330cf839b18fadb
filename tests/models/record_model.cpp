// SPDX-License-Identifier: Apache-2.0
// Models writers that record against a reader that cuts and waits for records that are being written.
#include "run.hpp"
#include "world.hpp"

namespace sluice::models {
namespace {

template <class T, int kWriters, class Fence>
struct Record : Suite<Record<T, kWriters, Fence>, kWriters + 1> {
  using Here = World<T, kWriters, Fence>;

  void before() {
    world = std::make_unique<Here>();
    world->watch([](auto& counts) -> auto& { return counts.sums[0]; });
    world->watch([](auto& counts) -> auto& { return counts.extremes[0]; });
    world->claim_all();
    alone = false;
  }

  void thread(unsigned index) {
    if (index < kWriters) {
      for (int i = 0; i < load.records; ++i) world->serve(index);
    } else {
      for (int i = 0; i < load.cuts; ++i) world->cut(AlwaysWait());
    }
  }

  void after() { world->end(); }

  std::unique_ptr<Here> world;
};

/// Reads lifetime totals without a cut, as totals() in drain_coordinator.cpp does: [S4], [T2].
struct Totals : Suite<Totals, 2> {
  using Here = World<Call, 1, RelacyAsymmetricFence>;

  void before() {
    world = std::make_unique<Here>();
    world->claim_all();
    alone = false;
  }

  void thread(unsigned index) {
    if (index == 0) {
      world->serve(0);
      world->serve(0);
      return;
    }
    const detail::Slot<RelacyAtomics, Call>& slot = world->slot(0);
    std::uint64_t busy_ns = 0;
    for (const auto& bank : slot.banks) busy_ns += bank.header.busy_ns.load(std::memory_order_acquire);  // [T2]
    const std::uint64_t start_ns = slot.header.start_ns.load(std::memory_order_relaxed);                 // after [T2]
    // Checks that the durations that were read do not include that of the request in flight.
    std::uint64_t before_ns = 0;
    for (std::size_t n = 0; n < world->served(); ++n) {
      const Served<Call>& request = world->request(n);
      before_ns += request.stop_ns - std::min(request.start_ns, request.stop_ns);
      if (request.start_ns == start_ns) require(busy_ns < before_ns || request.stop_ns == 0, "a request twice");
    }
  }

  void after() { world->end(); }

  std::unique_ptr<Here> world;
};

using Asymmetric = RelacyAsymmetricFence;
using Symmetric = RelacySymmetricFence;

/// The scenarios of one schema.
template <class T>
void explore(Run& run) {
  run.of = Sample<T>::kName;
  run.explore<Record<T, 1, Asymmetric>>("record: 1 writer, 1 record, 1 cut", {1, 1}, EverySchedule());
  run.explore<Record<T, 1, Symmetric>>("record: 1 writer, 1 record, 1 cut, symmetric", {1, 1}, EverySchedule());
  run.explore<Record<T, 1, Asymmetric>>("record: 1 writer, 3 records, 2 cuts, fewer fields",
                                        {.records = 3, .cuts = 2, .mode = 0}, Preemptions{2});
  run.explore<Record<T, 1, Asymmetric>>("record: 1 writer, 2 records, 1 cut", {2, 1}, Preemptions{5});
  run.explore<Record<T, 1, Asymmetric>>("record: 1 writer, 2 records, 2 cuts", {2, 2}, Preemptions{4});
  const unsigned preemptions = long_run() ? 4 : 3;
  run.explore<Record<T, 1, Asymmetric>>("record: 1 writer, 3 records, 3 cuts", {3, 3}, Preemptions{preemptions});
  run.explore<Record<T, 1, Symmetric>>("record: 1 writer, 2 records, 2 cuts, symmetric", {2, 2}, Preemptions{3});
  const unsigned schedules = long_run() ? 5'000'000 : 50'000;
  run.explore<Record<T, 4, Asymmetric>>("record: 4 writers, 3 records, 3 cuts", {3, 3}, RandomSchedules{schedules});
}

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  Run run(argc, argv);
  run.explore<Totals>("record: totals without a cut", {}, EverySchedule());
  explore<Call>(run);
  explore<sluice::wsgi::Completion>(run);
  // The largest searches, on the schema whose executions are short.
  run.of = Sample<Call>::kName;
  run.explore<Record<Call, 2, Asymmetric>>("record: 2 writers, 2 records, 2 cuts", {2, 2}, Preemptions{3});
  run.explore<Record<Call, 3, Asymmetric>>("record: 3 writers, 1 record, 2 cuts", {1, 2}, Preemptions{2});
  return run.end();
}
