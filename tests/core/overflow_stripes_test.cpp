// SPDX-License-Identifier: Apache-2.0
// Tests the stripes of the overflow counters: how many there are, which one a thread uses, and that threads on several
// CPUs are counted as one worker.
#include "sluice/detail/overflow_stripes.hpp"

#include <sched.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "memory.hpp"
#include "phases.hpp"
#include "pinned.hpp"
#include "shared_memory.hpp"
#include "sluice/manual_clock.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

/// Returns a processor of another stripe than the first one, by its number for Pinned; nothing if there is none.
std::optional<std::size_t> other_processor() {
  const Pinned first(0);
  const std::size_t stripe = detail::overflow_stripe();
  for (std::size_t i = 1; i < std::thread::hardware_concurrency(); ++i) {
    const Pinned pinned(i);
    if (detail::overflow_stripe() != stripe) return i;
  }
  return std::nullopt;
}

detail::OverflowMemory overflow_of(const SharedMemory& memory) {
  return detail::overflow_in(memory.span().data(), detail::kMemoryLayout<Completion>);
}

/// Returns the number of stripes that have been used.
std::size_t used_stripes(const detail::OverflowMemory& overflow) {
  std::size_t used = 0;
  overflow.each_used([&used](const auto&) { ++used; });
  return used;
}

}  // namespace

TEST_CASE("overflow stripes: as many as CPUs, as a power of two, and no more than the bound") {
  constexpr auto kExpected = std::to_array<std::array<long, 2>>(
      {{-1, 1}, {0, 1}, {1, 1}, {2, 2}, {3, 4}, {4, 4}, {5, 8}, {32, 32}, {500, 32}});
  for (const auto& [cpus, stripes] : kExpected) {
    CAPTURE(cpus);
    CHECK(detail::overflow_stripes_for(cpus) == static_cast<std::size_t>(stripes));
  }
  CHECK(std::has_single_bit(detail::overflow_stripes()));
  CHECK(detail::overflow_stripes() <= detail::kOverflowStripesMost);
}

TEST_CASE("overflow stripes: threads without a number of their CPU are spread over all stripes") {
  constexpr std::size_t kStripes = 8;
  constexpr std::size_t kThreads = 800;
  std::array<std::size_t, kStripes> threads{};
  // The control blocks of threads lie as far apart as their stacks are large.
  for (std::uint64_t i = 0; i < kThreads; ++i) {
    const std::size_t stripe = detail::overflow_stripe_by_hash(0x7F00'0000'06C0 + i * ((8U << 20U) + 4096), kStripes);
    REQUIRE(stripe < kStripes);
    ++threads.at(stripe);
  }
  for (const std::size_t count : threads) CHECK(count > kThreads / kStripes / 2);
}

TEST_CASE("overflow stripes: a thread uses the stripe of its CPU") {
  for (std::size_t i = 0; i < std::thread::hardware_concurrency(); ++i) {
    const Pinned pinned(i);
    const std::size_t stripe = detail::overflow_stripe();
    CHECK(stripe < detail::overflow_stripes());
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
    CHECK(stripe == (static_cast<std::size_t>(::sched_getcpu()) & (detail::overflow_stripes() - 1)));
#endif
  }
}

TEST_CASE("overflow stripes: requests that begin on one CPU and end on another are in one window, and none in flight") {
  const std::optional<std::size_t> other = other_processor();
  if (!other) return;  // one CPU has nothing to show
  ManualClock clock;
  const SharedMemory memory(Recorder::memory_bytes(2));
  Recorder recorder({.threads = 2, .clock = &clock, .memory = memory.span()});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach_shared();
  CHECK(used_stripes(overflow_of(memory)) == 0);
  std::vector<Request> requests;
  std::uint64_t ended = 0;
  for (std::uint64_t round = 0; round < 6; ++round) {
    for (int i = 0; i < 3; ++i) {
      const Pinned pinned(i == 0 ? 0 : *other);
      requests.push_back(worker.begin());
    }
    const std::uint64_t in_flight = requests.size() - 2;
    {
      const Pinned pinned(round % 2 == 0 ? *other : 0);
      requests.front().finish({.status = 200, .request_us = 1000 * (round + 1)});
      requests.erase(requests.begin());
      requests.front().cancel();
      requests.erase(requests.begin());
    }
    CHECK(recorder.totals().active_requests == in_flight);
    CHECK(recorder.totals().request_count == ++ended);
    const Result<Window> window = reader.drain();
    REQUIRE(window.ok());
    CHECK(window->request_count == 1);
    CHECK(window->active_requests == in_flight);
    CHECK(window->slots[0].completed == 1);
    CHECK(phase_of(*window, Phase::kRequest).total == 1000 * (round + 1));
    CHECK(phase_of(*window, Phase::kRequest).max() == 1000 * (round + 1));
  }
  CHECK(used_stripes(overflow_of(memory)) == 2);
  requests.clear();
  CHECK(reader.drain()->request_count == ended);
  CHECK(recorder.totals().active_requests == 0);
  CHECK(overflow_of(memory).lifetime_count() == 2 * ended);
}

}  // namespace sluice::test
