// The spill: several writers in one pair of banks, which change places under them.
#include "run.hpp"
#include "world.hpp"
// The code under test comes after Relacy's cells.
#include "sluice/detail/spill.hpp"

namespace sluice::models {
namespace {

/// Requests are told apart by their output bytes, and every field is tied to those.
template <int kWriters, class MayWait>
struct Spill : Suite<Spill<kWriters, MayWait>, kWriters + 1> {
  using Counter = RelacySharedCounter;
  using Phaser = detail::BasicSpill<RelacyCells, Counter>;

  void before() {
    spill = std::make_unique<Phaser>();
    window.slots.resize(1);
    for (int i = 0; i < 2; ++i) {
      spill->flip();
      auto* const bank = spill->quiescent();
      watched.add(&bank->sums.total_us[0]);
      watched.add(&bank->count);
      spill->taken();
    }
    alone = false;
  }

  void thread(unsigned index) {
    if (index == kWriters) {
      for (int i = 0; i < load.cuts; ++i) drain(MayWait());
      return;
    }
    for (int i = 0; i < load.records; ++i) {
      const std::uint64_t n = served++;
      spill->begin();
      const std::uint64_t bytes = std::uint64_t{1} << n;
      spill->record(bytes, {.server_us = bytes, .output_bytes = bytes}, kEmbeddedPhases);
    }
  }

  /// As Readers::take_spill() does it.
  void drain(MayWait may_wait) {
    if (auto* const late = spill->quiescent(); late != nullptr) take(*late);
    spill->flip();
    auto* bank = spill->quiescent();
    while (bank == nullptr && may_wait()) bank = spill->quiescent();
    if (bank != nullptr) take(*bank);
    check();
  }

  void take(typename Phaser::Bank& bank) {
    detail::BankBaseline& known = taken[spill->index_of(bank)];
    if (bank.count.get() != known.count) {
      detail::take_growth(bank.count, known.count, window.request_count);
      detail::take_growth(bank.busy_ns, known.busy_ns, window.slots[0].busy_ns);
      detail::take_sums(bank.sums, known, window, window.slots[0]);
    }
    spill->taken();
  }

  void check() {
    const Requests inside = window.output_bytes;
    require((inside & seen) == 0, "a request twice");
    require(inside < (Requests{1} << served), "a request that never was");
    require(window.request_count == static_cast<std::uint64_t>(std::popcount(inside)), "the number of requests");
    require(window[Phase::kServer].total_us == inside, "the total of a phase");
    require(window[Phase::kServer].largest_us == std::bit_floor(inside), "the largest of a phase");
    require(window.slots[0].busy_ns == inside, "the busy time");
    seen |= inside;
    window.clear_counts();
  }

  void after() {
    alone = true;
    drain(MayWait());
    drain(MayWait());
    require(seen == (Requests{1} << served) - 1, "a request in no window");
    require(spill->in_flight() == 0, "in flight at the end");
    require(spill->lifetime_count() == served, "the lifetime count");
  }

  std::unique_ptr<Phaser> spill;
  Watched<Counter::Watch> watched;
  detail::BankBaseline taken[2];
  Window window;
  std::uint64_t served = 0;
  Requests seen = 0;
};

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  Run run(argc, argv);
  run.explore<Spill<1, Patient>>("spill: 1 writer, 1 record, 1 drain", {1, 1}, EverySchedule());
  run.explore<Spill<1, Patient>>("spill: 1 writer, 3 records, 3 drains", {3, 3}, Preemptions{3});
  run.explore<Spill<1, Impatient>>("spill: 1 writer, 2 records, 2 drains, no patience", {2, 2}, Preemptions{3});
  run.explore<Spill<2, Patient>>("spill: 2 writers, 1 record, 2 drains", {1, 2}, Preemptions{3});
  run.explore<Spill<2, Impatient>>("spill: 2 writers, 2 records, 2 drains, no patience", {2, 2}, Preemptions{2});
  const unsigned schedules = long_run() ? 2'000'000 : 50'000;
  run.explore<Spill<3, Impatient>>("spill: 3 writers, 3 records, 4 drains", {3, 4}, RandomSchedules{schedules});
  return run.end();
}
