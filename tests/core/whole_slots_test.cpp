// SPDX-License-Identifier: Apache-2.0
// Tests that slots of another process can be read while it records: a whole reading consists of whole requests.
#include "sluice/detail/whole_slots.hpp"

#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "memory.hpp"
#include "shared_memory.hpp"
#include "sluice/clock.hpp"
#include "sluice/recorder.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

using namespace sluice;
using namespace sluice::test;

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

template <class Slot>
void read(const Slot& slot, Sums& sums) {
  for (const auto& bank : slot.banks) {
    sums.successes += bank.sums.status[1].get();
    sums.output_bytes += bank.sums.output_bytes.get();
    sums.count += bank.count.load(std::memory_order_relaxed);
    sums.busy_ns += bank.busy_ns.load(std::memory_order_relaxed);
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

template <class Fence>
std::vector<detail::SlotReading<detail::Slot<detail::ProductionAtomics>, Sums>> read_all(std::span<std::byte> memory,
                                                                                         std::size_t threads) {
  std::vector<detail::SlotReading<detail::Slot<detail::ProductionAtomics>, Sums>> readings;
  detail::read_whole_slots<Fence, Sums>(
      detail::slots_in(memory.data(), threads).slots, threads, [](const auto& slot, Sums& sums) { read(slot, sums); },
      [&](const auto& reading) { readings.push_back(reading); });
  return readings;
}

/// Starts a process that records on so many threads until it is killed, one request in about the given time.
pid_t start_recording(std::span<std::byte> memory, std::size_t threads, std::uint64_t pace_ns) {
  return start_child([=] {
    ::alarm(600);
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

/// Reads until slots were whole, with more requests than before, so many times.
template <class Fence>
void check_living() {
  constexpr std::size_t kThreads = 3;
  const std::uint64_t wanted = tier(2'000, 100'000);
  constexpr std::uint64_t kMostNs = 30'000'000'000;
  const SharedMemory memory(Recorder::memory_bytes(kThreads));
  const pid_t process = start_recording(memory.span(), kThreads, 3'000 * kSlower);
  std::uint64_t grew_ns = monotonic_ns();
  std::uint64_t grown = 0;
  std::uint64_t torn = 0;
  std::map<const void*, std::uint64_t> last;
  while (grown < wanted && monotonic_ns() - grew_ns < kMostNs) {
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
  CHECK(grown >= wanted);
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

TEST_CASE("whole slots: a writer that stands still inside a record is given up, and those beside it are read once") {
  constexpr std::size_t kThreads = 2;
  const SharedMemory memory(Recorder::memory_bytes(kThreads));
  Recorder recorder({.threads = kThreads, .memory = memory.span()});
  Worker stopped = recorder.attach();
  Worker other = recorder.attach();
  stopped.begin().finish({.output_bytes = kBytes});
  other.begin().finish({.output_bytes = kBytes});
  auto& sequence = detail::slots_in(memory.span().data(), kThreads).slots[0].sequence;
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
