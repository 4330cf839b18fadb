// SPDX-License-Identifier: Apache-2.0
// Models two consumers of one epoch reader behind a mutex, as in drain_coordinator.cpp: each cut is merged into both
// pending windows, and a drain takes its own.
#include "run.hpp"
#include "world.hpp"

namespace sluice::models {
namespace {

template <class T, int kWriters>
struct Readers : Suite<Readers<T, kWriters>, kWriters + 2> {
  using Here = World<T, kWriters, RelacyAsymmetricFence>;

  void before() {
    world = std::make_unique<Here>();
    world->watch([](auto& counts) -> auto& { return counts.sums[0]; });
    world->claim_all();
    for (Consumer& consumer : consumers) consumer.pending = Here::empty_window();
    scratch = Here::empty_window();
    alone = false;
  }

  void thread(unsigned index) {
    if (index < kWriters) {
      for (int i = 0; i < load.records; ++i) world->serve(index);
    } else {
      for (int i = 0; i < load.cuts; ++i) drain(consumers[index - kWriters]);
    }
  }

  void after() {
    alone = true;
    for (Consumer& consumer : consumers) drain(consumer);
    for (const Consumer& consumer : consumers) {
      require(consumer.seen == Here::bit(world->served()) - 1, "a request in no window of a reader");
    }
  }

  struct Consumer {
    Window pending;
    Requests seen = 0;
  };

  void drain(Consumer& consumer) {
    mutex.lock(RL_INFO);
    scratch.clear_counts();
    world->cut_into(scratch, AlwaysWait());
    for (Consumer& other : consumers) other.pending.merge_counts(scratch);
    consumer.seen |= world->contents(consumer.pending, consumer.seen);
    for (std::size_t i = 0; i < kWriters; ++i) world->check_complete(i, consumer.seen, world->cut_from());
    consumer.pending.clear_counts();
    mutex.unlock(RL_INFO);
  }

  rl::mutex mutex;
  std::unique_ptr<Here> world;
  Consumer consumers[2];
  Window scratch;
};

/// The scenarios of one schema.
template <class T>
void explore(Run& run) {
  run.of = Sample<T>::kName;
  run.explore<Readers<T, 1>>("readers: 1 writer, 2 records, 1 drain each", {2, 1}, Preemptions{3});
  run.explore<Readers<T, 1>>("readers: 1 writer, 2 records, 2 drains each", {2, 2}, Preemptions{2});
  run.explore<Readers<T, 2>>("readers: 2 writers, 1 record, 1 drain each", {1, 1}, Preemptions{2});
  const unsigned schedules = long_run() ? 1'000'000 : 25'000;
  run.explore<Readers<T, 2>>("readers: 2 writers, 2 records, 3 drains each", {2, 3}, RandomSchedules{schedules});
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
