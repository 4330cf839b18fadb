// SPDX-License-Identifier: Apache-2.0
// Models the table of starts, with few entries. Whatever requests begin and end meanwhile, no entry has two owners, and
// a reader sees the start of each request that it knows to have begun and that is still in flight.
#include "run.hpp"
#include "sluice/detail/in_flight_table.hpp"
#include "world.hpp"

namespace sluice::models {
namespace {

/// Event loops that begin and end requests, and a reader. The last request of each loop stays in flight.
template <std::size_t kEntries, int kLoops>
struct Starts : Suite<Starts<kEntries, kLoops>, kLoops + 1> {
  using Table = detail::InFlightTable<RelacyAtomics, kEntries>;
  static constexpr std::uint64_t kStanding = 1'000'000;  ///< Start of a request that is in flight all the time.

  void before() {
    table = std::make_unique<Table>();
    for (int i = 0; i < load.before; ++i) static_cast<void>(take(0, kStanding));
    alone = false;
  }

  void thread(unsigned index) {
    if (index < kLoops) {
      serve(index);
    } else {
      for (int i = 0; i < load.cuts; ++i) read();
    }
  }

  void serve(unsigned loop) {
    for (int i = 1; i <= load.records; ++i) {
      const std::uint64_t start = tick();
      const std::uint32_t entry = take(loop, start);
      if (entry == 0) continue;
      in_flight[loop] = start;
      begun[loop].store(static_cast<std::uint32_t>(start), std::memory_order_release);
      if (i == load.records) continue;
      in_flight[loop] = 0;
      owned[entry - 1] = false;
      table->give_back(entry);
    }
  }

  void read() {
    std::array<std::uint64_t, kLoops> known{};
    for (int i = 0; i < kLoops; ++i) known[i] = begun[i].load(std::memory_order_acquire);
    const std::uint64_t oldest = table->oldest_start_ns();
    const bool standing = oldest == kStanding && load.before != 0;
    require(standing || oldest == UINT64_MAX || oldest <= now, "a start of no request");
    require(load.before == 0 || oldest <= kStanding, "a request that is always in flight is missed");
    for (int i = 0; i < kLoops; ++i) {
      const bool throughout = known[i] != 0 && in_flight[i] == known[i];
      require(!throughout || oldest <= known[i], "a request in flight is missed");
    }
  }

  /// At rest, the entries that no request owns are free, and only those.
  void after() {
    alone = true;
    std::uint64_t first = load.before != 0 ? kStanding : UINT64_MAX;
    for (const std::uint64_t start : in_flight) first = start != 0 ? std::min(first, start) : first;
    require(table->oldest_start_ns() == first, "another oldest request at rest");
    const auto free = std::count(owned.begin(), owned.end(), false);
    for (int i = 0; i < free; ++i) require(take(0, kStanding) != 0, "a free entry is not found");
    require(take(0, kStanding) == 0, "an entry that is taken is found free");
  }

  std::uint32_t take(std::uint64_t cursor, std::uint64_t start) {
    const std::uint32_t entry = table->take(cursor, start);
    require(entry <= kEntries, "an entry that does not exist");
    if (entry != 0) require(!std::exchange(owned[entry - 1], true), "an entry has two owners");
    return entry;
  }

  std::unique_ptr<Table> table;
  std::array<bool, kEntries> owned{};
  std::array<std::uint64_t, kLoops> in_flight{};          ///< Start of the request that a loop serves; 0: none.
  std::array<RelacyAtomic<std::uint32_t>, kLoops> begun;  ///< Start of the last request that a loop has begun.
};

}  // namespace
}  // namespace sluice::models

int main(int argc, char** argv) {
  using namespace sluice::models;
  Run run(argc, argv);
  run.explore<Starts<1, 2>>("in flight: 1 entry, 2 loops", {.records = 1}, EverySchedule());
  run.explore<Starts<2, 1>>("in flight: 2 entries, 1 loop, 1 read", {.records = 2, .before = 1}, EverySchedule());
  run.explore<Starts<2, 2>>("in flight: 2 entries, 2 loops, 1 read", {.records = 2}, Preemptions{long_run() ? 6U : 4U});
  run.explore<Starts<3, 2>>("in flight: 3 entries, 2 loops, 2 reads", {.records = 3, .cuts = 2, .before = 1},
                            RandomSchedules{long_run() ? 1'000'000U : 50'000U});
  return run.end();
}
