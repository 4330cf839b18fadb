// SPDX-License-Identifier: Apache-2.0
// Tests extreme numbers: counters, sequences, epochs and claims that overflow, completions with the smallest and the
// largest values of every field, clocks that stand still or are stepped.
#include <algorithm>
#include <array>
#include <atomic>
#include <climits>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "audit.hpp"
#include "members.hpp"
#include "phases.hpp"
#include "pinned.hpp"
#include "random.hpp"
#include "rig.hpp"
#include "sluice/manual_clock.hpp"
#include "stepping.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

constexpr std::uint64_t kMax = UINT64_MAX;
constexpr std::array<std::uint64_t, 9> kEdges = {
    0, 1, UINT32_MAX, 1ULL << 32, (1ULL << 63) - 1, 1ULL << 63, (1ULL << 63) + 1, kMax - 1, kMax};
constexpr std::array<int, 10> kStatuses = {INT_MIN, -1, 0, 99, 100, 199, 599, 600, 1'000'000, INT_MAX};

/// Sets every sum of a bank to a number, and the extremes to those of requests of all lengths.
template <class Atomics>
void preset(detail::EpochBank<Atomics, Completion>& bank, std::uint64_t value, std::uint64_t busy_ns) {
  bank.header.count.store(value, std::memory_order_relaxed);
  bank.header.busy_ns.store(busy_ns, std::memory_order_relaxed);
  for (auto& counter : bank.counts.sums) counter.set(value);
  for (auto& extreme : bank.counts.extremes) extreme.set(kMax);
}

/// Records and cuts on one thread. Returns a description of the first window that differs from the recorded requests.
template <class Atomics>
std::string trouble(Rig<Atomics>& rig, Random& random, std::uint64_t now_ns) {
  using Fence = detail::SymmetricFence;
  for (int cut = 0; cut < 4'000; ++cut) {
    Counts expected;
    std::uint64_t busy_ns = 0;
    for (std::uint64_t n = random() % 3; n > 0; --n) {
      const Completion done = any_completion(random, rig.mode());
      const std::uint64_t ns = random() % 1'000;
      rig.begin(0, now_ns);
      rig.template record<Fence>(0, now_ns, now_ns + ns, done);
      now_ns += ns;
      busy_ns += ns;
      expected.add(done, rig.mode());
    }
    Window window = rig.empty_window();
    if (!rig.template cut<Fence>(now_ns, window, never_wait)) return "no cut";
    if (std::string broken = broken_identity(window); !broken.empty()) return broken;
    if (std::string difference = expected.difference(Counts::of(window)); !difference.empty()) return difference;
    if (window.slots[0].busy_ns != busy_ns) return "busy time";
  }
  return {};
}

}  // namespace

TEST_CASE("edges: counters that pass 2^64 give exact windows") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  Random random(from);
  Rig<detail::StdAtomics> rig(1);
  rig.claim(0);
  // The busy times add up to 0, because the account of the slot begins with 0.
  preset(rig.slot(0).banks[0], kMax - 999, kMax - 99'999);
  preset(rig.slot(0).banks[1], kMax - 999, 100'000);
  for (int i = 0; i < 2; ++i) {
    Window window = rig.empty_window();
    REQUIRE(rig.cut<detail::SymmetricFence>(rig.kStartNs, window, never_wait));
  }
  CHECK(trouble(rig, random, rig.kStartNs) == "");
  CHECK(rig.slot(0).banks[0].header.count.load() < 10'000);
  CHECK(rig.slot(0).banks[0].header.busy_ns.load() < 10'000'000);
}

TEST_CASE("edges: an epoch that passes 2^32, 2^63 or 2^64 gives exact windows") {
  const std::uint64_t at = GENERATE(std::uint64_t{1} << 32, std::uint64_t{1} << 63, std::uint64_t{0});
  const std::uint64_t from = seed();
  CAPTURE(from, at);
  Random random(from);
  Rig<detail::StdAtomics> rig(1);
  rig.claim(0);
  rig.epoch().value.store(at - 2'000, std::memory_order_relaxed);
  CHECK(trouble(rig, random, rig.kStartNs) == "");
  CHECK(rig.epoch().value.load() == at + 2'000);
}

TEST_CASE("edges: a sequence that passes 2^64 while a record is stopped is noticed as having moved on") {
  Rig<SteppingAtomics> rig(1);
  rig.claim(0);
  rig.slot(0).header.sequence.store(kMax - 1, std::memory_order_relaxed);
  std::uint64_t deferred = 0;
  Steps::stop_at(9, [&] {
    Window window = rig.empty_window();
    REQUIRE(rig.slot(0).header.sequence.load(std::memory_order_relaxed) == kMax);
    REQUIRE(rig.cut<detail::SymmetricFence>(rig.kStartNs + 5, window, never_wait));
    deferred += window.request_count == 0 ? 1 : 0;
  });
  rig.record<detail::SymmetricFence>(0, rig.kStartNs, rig.kStartNs + 3, {.request_us = 7});
  Steps::stop_at(UINT64_MAX, nullptr);
  CHECK(deferred == 1);
  CHECK(rig.slot(0).header.sequence.load(std::memory_order_relaxed) == 0);
  Window window = rig.empty_window();
  REQUIRE(rig.cut<detail::SymmetricFence>(rig.kStartNs + 9, window, never_wait));
  CHECK(window.request_count == 1);
  CHECK(phase_of(window, Phase::kRequest).max() == 7);
}

TEST_CASE("edges: a sequence that passes 2^64 under a spinning reader loses and doubles nothing") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  const Mix mix(from, Mode::kDaemon);
  Recorder recorder({.threads = 1, .mode = Mode::kDaemon});
  Reader reader = recorder.add_reader();
  const std::uint64_t requests = tier(2'000'000, 20'000'000);
  std::atomic<bool> done{false};
  Tally tally(from);
  std::uint64_t last = kMax;
  std::thread writer([&] {
    const Pinned pinned(1);
    Worker worker = recorder.attach();
    // An even start, from which the sequence passes 2^64 half-way through the requests.
    slot_of(worker)->sequence.store(0 - requests, std::memory_order_release);
    for (std::uint64_t i = 1; i <= requests; ++i) worker.begin(i).finish(mix[tally.next()], i);
    last = slot_of(worker)->sequence.load(std::memory_order_relaxed);
    done = true;
  });
  Audit audit;
  Window window;
  {
    const Pinned pinned(0);
    while (!done) {
      if (reader.drain(window).ok()) audit.add(window);
    }
  }
  writer.join();
  if (reader.drain(window).ok()) audit.add(window);
  audit.print("sequence past 2^64", 1);
  CHECK(last == requests);
  CHECK(audit.first_broken() == "");
  CHECK(mix.counts(tally.served()).difference(audit.counts()) == "");
}

TEST_CASE("edges: claims whose number passes 2^30 or 2^32 own their slots, and readers their windows") {
  const std::uint32_t at = GENERATE(std::uint32_t{1} << 30, std::uint32_t{0});
  CAPTURE(at);
  ManualClock clock;
  Recorder recorder({.threads = 2, .clock = &clock});
  Reader first = recorder.add_reader();
  next_number(recorder).store(at - 20);
  for (std::uint64_t i = 0; i < 40; ++i) {
    Worker worker = recorder.attach();
    Worker second = recorder.attach();
    Worker third = recorder.attach();
    Reader passing = recorder.add_reader();
    CHECK(worker.slot() == 0);
    CHECK(second.slot() == 1);
    CHECK_FALSE(third.has_slot());
    for (Worker* user : {&worker, &second, &third}) {
      Request request = user->begin();
      clock.advance_us(10);
      request.finish({.request_us = i});
    }
    CHECK(passing.drain().value().request_count == 3);
    const Window window = first.drain().value();
    CHECK(broken_identity(window) == "");
    CHECK(window.request_count == 3);
  }
}

TEST_CASE("edges: a reader does not get the number of one that is still there") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  const std::uint32_t number = next_number(recorder).load();
  Reader first = recorder.add_reader();
  next_number(recorder).store(number);  // after 2^32 claims
  Reader second = recorder.add_reader();
  Worker worker = recorder.attach();
  worker.begin().finish({});
  CHECK(first.drain().value().request_count == 1);
  CHECK(second.drain().value().request_count == 1);
}

TEST_CASE("edges: every field of a completion takes the smallest and the largest values, in a slot and in overflow") {
  const Mode mode = GENERATE(Mode::kEmbedded, Mode::kDaemon);
  const bool overflowed = GENERATE(false, true);
  const std::uint64_t from = seed();
  CAPTURE(from, overflowed);
  Random random(from);
  ManualClock clock;
  Recorder recorder({.threads = 1, .mode = mode, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker own = recorder.attach();
  Worker other = recorder.attach();
  REQUIRE(own.has_slot() != other.has_slot());
  Worker& worker = overflowed ? other : own;
  const auto edge = [&random] { return kEdges[random() % kEdges.size()]; };
  const auto check = [&](const std::vector<Completion>& all) {
    Counts expected;
    for (const Completion& done : all) {
      worker.begin().finish(done);
      expected.add(done, mode);
    }
    const Window window = reader.drain().value();
    if (std::string difference = expected.difference(Counts::of(window)); !difference.empty()) FAIL(difference);
  };

  // Each field at each extreme alone.
  for (const std::uint64_t value : kEdges) {
    for (const auto field :
         {&Completion::server_us, &Completion::application_us, &Completion::request_us, &Completion::input_read_us,
          &Completion::output_write_us, &Completion::queue_us, &Completion::daemon_us, &Completion::cpu_ns,
          &Completion::input_bytes, &Completion::input_reads, &Completion::output_bytes, &Completion::output_writes}) {
      Completion done;
      done.*field = value;
      check({done});
    }
    for (const auto field :
         {&wsgi::GilWaits::count, &wsgi::GilWaits::total, &wsgi::GilWaits::min, &wsgi::GilWaits::max}) {
      Completion done;
      done.gil_waits = {.count = 1, .total = 1, .min = 1, .max = 1};
      done.gil_waits.*field = value;
      check({done});
    }
  }
  for (const int status : kStatuses) check({{.status = status}});

  // All fields together, several requests a window, so that sums overflow.
  for (int i = 0; i < 2'000; ++i) {
    std::vector<Completion> all(1 + random() % 4);
    for (Completion& done : all) {
      done = {.status = kStatuses[random() % kStatuses.size()],
              .server_us = edge(),
              .application_us = edge(),
              .request_us = edge(),
              .input_read_us = edge(),
              .output_write_us = edge(),
              .queue_us = edge(),
              .daemon_us = edge(),
              .gil_waits = {.count = edge(), .total = edge(), .min = edge(), .max = edge()},
              .cpu_ns = edge(),
              .input_bytes = edge(),
              .input_reads = edge(),
              .output_bytes = edge(),
              .output_writes = edge()};
    }
    check(all);
  }
}

TEST_CASE("edges: a million durations of every size each fall into the bucket that they belong to") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  Random random(from);
  ManualClock clock;
  Recorder recorder({.mode = Mode::kDaemon, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  const auto any = [&random] {
    if (random() % 2 == 0) return any_size(random, 63);
    // Near a boundary of the bucket layout.
    const std::uint64_t bound = BucketLayout::lower_bound(random() % BucketLayout::kSize);
    return std::max<std::uint64_t>(bound + random() % 3, 1) - 1;
  };
  std::uint64_t durations = 0;
  std::uint64_t mismatches = 0;
  for (int window = 0; window < 1'000; ++window) {
    Counts expected;
    for (int i = 0; i < 145; ++i) {
      Completion done{.server_us = any(),
                      .application_us = any(),
                      .request_us = any(),
                      .input_read_us = any(),
                      .output_write_us = any(),
                      .queue_us = any(),
                      .daemon_us = any()};
      worker.begin().finish(done);
      expected.add(done, Mode::kDaemon);
      durations += 7;
    }
    mismatches += expected.difference(Counts::of(reader.drain().value())).empty() ? 0 : 1;
  }
  CHECK(durations >= 1'000'000);
  CHECK(mismatches == 0);
}

TEST_CASE("edges: durations between any timestamps are whole microseconds, and 0 where there is none") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  Random random(from);
  const auto any = [&random] { return random() % 4 == 0 ? kEdges[random() % kEdges.size()] : any_size(random, 63); };
  const auto duration_us = [](std::uint64_t begin_ns, std::uint64_t end_ns) {
    if (begin_ns == 0 || end_ns < begin_ns) return std::uint64_t{0};
    const std::uint64_t whole_us = end_ns / 1000 - begin_ns / 1000;
    return end_ns % 1000 < begin_ns % 1000 ? whole_us - 1 : whole_us;
  };
  std::uint64_t mismatches = 0;
  for (int i = 0; i < 200'000; ++i) {
    const Timestamps timestamps{any(), any(), any(), any(), any(), any(), any()};
    Completion done;
    overlapping_phases(timestamps, done);
    const bool right = done.server_us == duration_us(timestamps.accepted_ns, timestamps.returned_ns) &&
                       done.queue_us == duration_us(timestamps.queued_ns, timestamps.dispatched_ns) &&
                       done.daemon_us == duration_us(timestamps.dispatched_ns, timestamps.left_ns) &&
                       done.application_us == duration_us(timestamps.entered_ns, timestamps.left_ns) &&
                       done.request_us == duration_us(timestamps.accepted_ns, timestamps.flushed_ns);
    mismatches += right ? 0 : 1;
  }
  CHECK(mismatches == 0);
}

TEST_CASE("edges: requests that begin and end at any instant keep every window whole, and other slots untouched") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  Random random(from);
  ManualClock clock;
  Recorder recorder({.threads = 2, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker wild = recorder.attach();
  Worker tame = recorder.attach();
  std::uint64_t busy_ns = 0;
  for (int i = 0; i < 5'000; ++i) {
    const auto instant = [&] { return std::max<std::uint64_t>(kEdges[random() % kEdges.size()], 1); };
    const std::uint64_t start_ns = instant();
    wild.begin(start_ns).finish({}, instant());
    Request request = tame.begin();
    clock.advance_ns(random() % 5'000);
    request.finish({});
    const Window window = reader.drain().value();
    if (std::string broken = broken_identity(window); !broken.empty()) FAIL(broken);
    if (window.request_count != 2) FAIL("requests");
    if (window.slots[1].busy_ns != window.elapsed_ns) FAIL("busy time of the other slot");
    const ProcessTotals totals = recorder.totals();
    if (totals.request_busy_ns < busy_ns) FAIL("busy time went down");
    busy_ns = totals.request_busy_ns;
  }
}

TEST_CASE("edges: with a clock that stands still windows have no length and lack nothing") {
  ManualClock clock;
  Recorder recorder({.threads = 2, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker one = recorder.attach();
  Worker two = recorder.attach();
  for (std::uint64_t i = 0; i < 1'000; ++i) {
    Request open = two.begin();
    for (std::uint64_t n = i % 4; n > 0; --n) one.begin().finish({.request_us = i});
    const Window window = reader.drain().value();
    CHECK(broken_identity(window) == "");
    CHECK(window.request_count == i % 4 + (i > 0 ? 1 : 0));
    CHECK(window.elapsed_ns == 0);
    CHECK(window.sample_period == 0.0);
    CHECK(window.request_throughput() == 0.0);
    CHECK(window.slots[0].busy_ns + window.slots[1].busy_ns == 0);
    CHECK(window.slots[1].in_flight);
    open.finish({});
  }
}

TEST_CASE(
    "edges: a wall clock set by up to an hour either way at any instant changes no length, no count, no busy time") {
  constexpr std::int64_t kHourNs = 3'600'000'000'000;
  const std::uint64_t from = seed();
  CAPTURE(from);
  Random random(from);
  ManualClock clock;
  if (random() % 2 == 0) clock.step_wall_ns(-clock.wall_ns() - kHourNs);  // before 1970
  Recorder recorder({.threads = 1, .clock = &clock});
  std::vector<Reader> readers;
  readers.reserve(3);
  for (int i = 0; i < 3; ++i) readers.push_back(recorder.add_reader());
  Worker worker = recorder.attach();
  struct Expected {
    std::uint64_t requests = 0;
    std::uint64_t busy_ns = 0;
    std::uint64_t elapsed_ns = 0;
    bool stepped = false;
    double stop_time = 0.0;
  };
  std::array<Expected, 3> expected;
  for (Expected& prediction : expected) prediction.stop_time = recorder.totals().current_time;
  const auto pass = [&](std::uint64_t ns, std::uint64_t busy_ns) {
    clock.advance_ns(ns);
    const bool stepped = random() % 4 == 0;
    if (stepped) {
      const auto ns_off = 2'000'000 + static_cast<std::int64_t>(random() % kHourNs);
      clock.step_wall_ns(random() % 2 == 0 ? ns_off : -ns_off);
      static_cast<void>(recorder.totals());  // two steps between two readings could cancel each other
    }
    for (Expected& prediction : expected) {
      prediction.elapsed_ns += ns;
      prediction.busy_ns += busy_ns;
      prediction.stepped = prediction.stepped || stepped;
    }
  };
  for (int i = 0; i < 20'000; ++i) {
    Request request = worker.begin();
    const std::uint64_t ns = random() % 3'000'000;
    pass(ns, ns);
    request.finish({});
    for (Expected& prediction : expected) ++prediction.requests;
    pass(random() % 3'000'000, 0);
    const std::size_t which = random() % readers.size();
    Expected& prediction = expected[which];
    const Window window = readers[which].drain().value();
    if (std::string broken = broken_identity(window); !broken.empty()) FAIL(broken);
    if (window.request_count != prediction.requests) FAIL("requests");
    if (window.elapsed_ns != prediction.elapsed_ns) FAIL("length");
    if (window.slots[0].busy_ns != prediction.busy_ns) FAIL("busy time");
    if (window.start_time != prediction.stop_time) FAIL("a gap between windows");
    const double length = static_cast<double>(window.elapsed_ns) / 1e9;
    if (prediction.stepped && window.sample_period != length) FAIL("length of a window with a step");
    if (!prediction.stepped && window.sample_period != Approx(length).margin(1e-6)) FAIL("length of a window");
    prediction = {.stop_time = window.stop_time};
  }
}

}  // namespace sluice::test
