// SPDX-License-Identifier: Apache-2.0
// Tests that slots of another process can be read while it records: a whole reading consists of whole requests.
#include "sluice/detail/whole_slots.hpp"
#include "phases.hpp"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "memory.hpp"
#include "shared_memory.hpp"
#include "sluice/clock.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

/// Counters that a record stores early and late. All requests have the same output bytes and busy time.
struct Sums {
  std::uint64_t count = 0;
  std::uint64_t busy_ns = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t successes = 0;
};

constexpr std::uint64_t kBytes = 7;
constexpr std::uint64_t kBusyNs = 1'000;

void read(const detail::SlotRef<detail::ProductionAtomics>& slot, Sums& sums) {
  constexpr auto& kFields = schema_info<Completion>.fields;
  const FieldInfo& status = kFields[detail::field_of<&Completion::status>()];
  const FieldInfo& output_bytes = kFields[detail::field_of<&Completion::output_bytes>()];
  sums = {};
  for (const std::size_t which : {0U, 1U}) {
    const auto bank = slot.bank(which);
    sums.successes += bank.sums[status.sum + 1].get();
    sums.output_bytes += bank.sums[output_bytes.sum].get();
    sums.count += bank.header.count.load(std::memory_order_relaxed);
    sums.busy_ns += bank.header.busy_ns.load(std::memory_order_relaxed);
  }
}

/// A fence that counts its calls.
template <class Fence>
struct Counted {
  static constexpr std::size_t kSlotsAtOnce = Fence::kSlotsAtOnce;
  static void heavy() noexcept {
    ++fences;
    Fence::heavy();
  }
  static inline int fences = 0;
};

using Reading = detail::SlotReading<detail::ProductionAtomics, Sums>;

template <class Fence>
std::vector<Reading> read_all(std::span<std::byte> memory, std::size_t threads) {
  const auto array = detail::slots_in(memory.data(), detail::kMemoryLayout<Completion>, threads);
  std::vector<Reading> all;
  std::array<Reading, Fence::kSlotsAtOnce> readings;
  detail::read_whole_slots<Fence>(
      array, threads, readings, [&](std::size_t slot, Sums& sums, detail::Reach) { read(array.slot(slot), sums); },
      [&](const auto& reading) { all.push_back(reading); });
  return all;
}

/// Starts a process that records on `threads` threads until it is killed, one request in about the given time.
pid_t start_recording(std::span<std::byte> memory, std::size_t threads, std::uint64_t pace_ns) {
  return start_child([=] {
    Recorder recorder({.threads = threads, .memory = memory});
    const auto work = [&] {
      Worker worker = recorder.attach();
      for (std::uint64_t at_ns = 1'000'000;; at_ns += kBusyNs) {
        worker.begin(at_ns).finish({.status = 200, .output_bytes = kBytes}, at_ns + kBusyNs);
        for (const std::uint64_t until = monotonic_ns() + pace_ns; monotonic_ns() < until;) continue;
      }
    };
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < threads; ++i) others.emplace_back(work);
    work();
    return 0;
  });
}

/// Reads until slots were whole, with more requests than before, `target` times.
template <class Fence>
void check_living() {
  constexpr std::size_t kThreads = 3;
  const std::uint64_t target = tier(2'000, 100'000);
  constexpr std::uint64_t kMostNs = 30'000'000'000;
  const SharedMemory memory(Recorder::memory_bytes(kThreads));
  const pid_t process = start_recording(memory.span(), kThreads, 3'000 * kSlower);
  std::uint64_t grew_ns = monotonic_ns();
  std::uint64_t grown = 0;
  std::uint64_t torn = 0;
  std::map<std::size_t, std::uint64_t> last;
  while (grown < target && monotonic_ns() - grew_ns < kMostNs) {
    for (const auto& reading : read_all<Fence>(memory.span(), kThreads)) {
      const Sums& sums = reading.counts;
      if (!reading.whole || std::exchange(last[reading.slot], sums.count) == sums.count) continue;
      grew_ns = monotonic_ns();
      ++grown;
      const bool right = sums.count == reading.sequence / 2 && sums.successes == sums.count &&
                         sums.output_bytes == kBytes * sums.count && sums.busy_ns == kBusyNs * sums.count;
      torn += right ? 0 : 1;
    }
  }
  ::kill(process, SIGKILL);
  CHECK(wait_for(process) == 128 + SIGKILL);
  CHECK(grown >= target);
  CHECK(torn == 0);
}

}  // namespace

TEST_CASE("whole slots: what is read of slots at work is of whole requests, by the barrier of the reader") {
  check_living<detail::InterprocessBarrier>();
}

TEST_CASE("whole slots: what is read of slots at work is of whole requests, by the fence of this machine") {
  check_living<detail::InterprocessFence>();
}

TEST_CASE("whole slots: slots that have recorded are read several to a fence, and no others") {
  constexpr std::size_t kThreads = 12;
  const SharedMemory memory(Recorder::memory_bytes(kThreads));
  Recorder recorder({.threads = kThreads, .memory = memory.span()});
  for (std::size_t i = 0; i < kThreads; i += 2) {
    Worker worker = recorder.attach(i).value();
    for (std::size_t n = 0; n <= i; ++n) worker.begin().finish({.status = 200, .output_bytes = kBytes});
  }
  using Fence = Counted<detail::InterprocessBarrier>;
  Fence::fences = 0;
  const auto readings = read_all<Fence>(memory.span(), kThreads);
  CHECK(Fence::fences == 2);  // six slots need two barriers
  REQUIRE(readings.size() == kThreads / 2);
  for (std::size_t i = 0; i < readings.size(); ++i) {
    CHECK(readings[i].whole);
    CHECK(readings[i].counts.count == 2 * i + 1);
    CHECK(readings[i].counts.output_bytes == kBytes * (2 * i + 1));
  }
}

TEST_CASE("whole slots: a slot that was never whole is read with all its buckets") {
  const SharedMemory memory(Recorder::memory_bytes(1));
  Recorder recorder({.threads = 1, .memory = memory.span()});
  Worker worker = recorder.attach();
  worker.begin().finish({});
  const auto array = detail::slots_in(memory.span().data(), detail::kMemoryLayout<Completion>, 1);
  std::vector<detail::Reach> reaches;
  const auto read = [&] {
    reaches.clear();
    std::array<Reading, detail::AcquireFence::kSlotsAtOnce> readings;
    detail::read_whole_slots<detail::AcquireFence>(
        array, 1, readings, [&](std::size_t, Sums&, detail::Reach reach) { reaches.push_back(reach); },
        [](const auto&) {});
  };
  read();
  CHECK(reaches == std::vector{detail::Reach::kUsedBuckets});
  auto& sequence = array.slot(0).header().sequence;
  sequence.store(sequence.load() + 1);
  read();
  REQUIRE(reaches.size() == detail::kWholeTries + 1U);
  CHECK(reaches.back() == detail::Reach::kAllBuckets);
  CHECK(std::count(reaches.begin(), reaches.end(), detail::Reach::kUsedBuckets) == detail::kWholeTries);
  sequence.store(sequence.load() + 1);
}

TEST_CASE("whole slots: a writer that stands still inside a record is given up, and those beside it are read once") {
  constexpr std::size_t kThreads = 2;
  const SharedMemory memory(Recorder::memory_bytes(kThreads));
  Recorder recorder({.threads = kThreads, .memory = memory.span()});
  Worker stopped = recorder.attach();
  Worker other = recorder.attach();
  stopped.begin().finish({.output_bytes = kBytes});
  other.begin().finish({.output_bytes = kBytes});
  const auto array = detail::slots_in(memory.span().data(), detail::kMemoryLayout<Completion>, kThreads);
  auto& sequence = array.slot(0).header().sequence;
  sequence.store(sequence.load() + 1);
  using Fence = Counted<detail::InterprocessBarrier>;
  Fence::fences = 0;
  const auto readings = read_all<Fence>(memory.span(), kThreads);
  CHECK(Fence::fences == detail::kWholeTries);
  REQUIRE(readings.size() == kThreads);
  CHECK_FALSE(readings[0].whole);
  CHECK(readings[1].whole);
  for (const auto& reading : readings) CHECK(reading.counts.output_bytes == kBytes);
  sequence.store(sequence.load() + 1);
}

}  // namespace sluice::test
