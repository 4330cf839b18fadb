// SPDX-License-Identifier: Apache-2.0
// Tests processes that record, are killed inside their records, retired, and replaced, while another process reads
// without a pause. No count that it reads ever goes down, and at the end none is lost or counted twice.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "random.hpp"
#include "registry_rig.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

constexpr std::size_t kThreads = 2;
constexpr std::size_t kProcesses = 3;

enum Word : std::size_t { kStop, kLower, kReadings, kFailed, kPaceNs, kLowerAt, kLowerFrom, kLowerTo };

/// Reads until it is told to stop, and counts readings in which a count went down.
int scrape(RegistryRig& rig) {
  Signals& signals = *rig.signals;
  GroupCounts last;
  std::uint64_t starts = 0;
  while (signals.words[kStop].load() == 0) {
    const absl::StatusOr<ServerReading> reading = rig.registry.read();
    if (!reading.ok()) {
      signals.words[kFailed].fetch_add(1);
      continue;
    }
    const GroupReading& total = reading->total;
    const int lower = first_lower(last, total.counts);
    if (lower >= 0 || total.process_starts < starts) signals.words[kLower].fetch_add(1);
    if (lower >= 0) {
      const auto at = static_cast<std::size_t>(lower);
      signals.words[kLowerAt] = at;
      signals.words[kLowerFrom] = words_of(last)[at];
      signals.words[kLowerTo] = words_of(total.counts)[at];
    }
    last = total.counts;
    starts = total.process_starts;
    signals.words[kReadings].fetch_add(1);
  }
  return 0;
}

/// Records on two threads until it is killed. Each counts its completed requests in shared memory.
int record(std::span<std::byte> memory, std::atomic<std::uint64_t>* completed, std::uint64_t from) {
  Recorder recorder({.threads = kThreads, .mode = Mode::kDaemon, .memory = memory});
  const Mix mix(from, Mode::kDaemon);
  const auto work = [&](std::size_t number) {
    Worker worker = recorder.attach();
    Tally tally(from + number);
    for (;;) {
      worker.begin().finish(mix[tally.next()]);
      completed[number].fetch_add(1, std::memory_order_relaxed);
    }
  };
  std::thread other([&] { work(1); });
  work(0);
  return 0;
}

/// Returns how many of 1,000 readings, each with more than the one before, include a request in part. A writer that the
/// kernel stopped inside a record counts once.
std::uint64_t broken_readings(const RegistryRig& rig) {
  constexpr std::uint64_t kMostNs = 30'000'000'000;
  std::uint64_t grew_ns = monotonic_ns();
  std::uint64_t grown = 0;
  std::uint64_t broken = 0;
  std::uint64_t last = 0;
  while (grown < 1'000) {
    if (monotonic_ns() - grew_ns > kMostNs) FAIL("after " << grown << " readings nothing is recorded any more");
    const GroupCounts now = rig.read().total.counts;
    if (now.request_count == last) continue;
    last = now.request_count;
    grew_ns = monotonic_ns();
    ++grown;
    broken += broken_sum(now, kPhases).empty() ? 0 : 1;
  }
  return broken;
}

}  // namespace

TEST_CASE("registry stress: processes that are killed inside records and replaced, under a reader without a pause") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  RegistryRig rig;
  const SharedMemory counters(4096);
  auto* const completed = reinterpret_cast<std::atomic<std::uint64_t>*>(counters.span().data());
  const Registry::GroupId group = rig.group("g");
  const pid_t reader = start_child([&] {
    ::alarm(600);
    return scrape(rig);
  });
  std::vector<pid_t> processes(kProcesses);
  const auto completed_by = [&](std::size_t i) {
    return completed[kThreads * i].load() + completed[kThreads * i + 1].load();
  };
  const auto start = [&](std::size_t i, std::uint64_t salt) {
    processes[i] = rig.start(group, kThreads, [&, i, salt](std::span<std::byte> memory) {
      return record(memory, completed + kThreads * i, from + salt);
    });
  };
  for (std::size_t i = 0; i < kProcesses; ++i) start(i, i);

  Random random(from);
  const std::uint64_t kills = tier(300, 20'000);
  for (std::uint64_t kill = 0; kill < kills; ++kill) {
    ::usleep(static_cast<useconds_t>(random() % 4'000));
    const std::size_t victim = random() % kProcesses;
    RegistryRig::kill(processes[victim]);
    rig.reap(processes[victim]);
    start(victim, kill);
  }
  for (std::size_t i = 0; i < kProcesses; ++i) {
    RegistryRig::kill(processes[i]);
    rig.reap(processes[i]);
  }
  rig.signals->words[kStop].store(1);
  CHECK(wait_for(reader) == 0);

  std::uint64_t served = 0;
  for (std::size_t i = 0; i < kProcesses; ++i) served += completed_by(i);
  const GroupReading end = rig.read().total;
  const std::uint64_t extra = end.counts.request_count - served;
  std::printf("registry: %llu kills, %llu requests, %llu readings, %llu given up, %llu recorded and not yet counted\n",
              static_cast<unsigned long long>(kills), static_cast<unsigned long long>(served),
              static_cast<unsigned long long>(rig.signals->words[kReadings].load()),
              static_cast<unsigned long long>(rig.signals->words[kFailed].load()),
              static_cast<unsigned long long>(extra));
  CAPTURE(rig.signals->words[kLowerAt].load(), rig.signals->words[kLowerFrom].load(),
          rig.signals->words[kLowerTo].load());
  CHECK(rig.signals->words[kLower].load() == 0);
  CHECK(rig.signals->words[kFailed].load() == 0);
  CHECK(rig.signals->words[kReadings].load() > kills / 4);
  CHECK(end.process_starts == kills + kProcesses);
  CHECK(end.processes == 0);
  CHECK(end.counts.request_count >= served);
  CHECK(extra <= kThreads * (kills + kProcesses));
  // A record of a killed thread may be in one sum and not in another: at most one for each thread.
  std::uint64_t classes = 0;
  for (const std::uint64_t value : classes_of(end.counts)) classes += value;
  CHECK(classes - end.counts.request_count <= kThreads * (kills + kProcesses));
  CHECK(rig.state->readable_table->slots_used.load() <= kProcesses);
}

TEST_CASE("registry stress: what is read of a process at work adds up") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g");
  std::atomic<std::uint64_t>& pace_ns = rig.signals->words[kPaceNs];
  pace_ns = 2'000 * kSlower;
  const pid_t process = rig.start(group, 1, [&](std::span<std::byte> memory) {
    Recorder recorder({.threads = 1, .mode = Mode::kDaemon, .memory = memory});
    Worker worker = recorder.attach();
    const Mix mix(1, Mode::kDaemon);
    Tally tally(1);
    for (;;) {
      worker.begin().finish(mix[tally.next()]);
      for (const std::uint64_t until = monotonic_ns() + pace_ns; monotonic_ns() < until;) continue;
    }
    return 0;
  });
  // A slot is read as a whole between two records if these are far enough apart, which depends on the machine. If it
  // were read only once, they would have to be several times as far apart.
  constexpr int kPaces = SLUICE_THREAD_SANITIZER || SLUICE_ADDRESS_SANITIZER ? 4 : 1;
  std::uint64_t broken = 1'000;
  for (int tries = 0; tries < kPaces && broken > 25; ++tries) {
    pace_ns = 2 * pace_ns;
    broken = broken_readings(rig);
    std::printf("registry: a record each %llu us: %llu of 1000 readings show a request in part\n",
                static_cast<unsigned long long>(pace_ns / 1'000), static_cast<unsigned long long>(broken));
  }
  RegistryRig::kill(process);
  rig.reap(process);
  CHECK(broken <= 25);
}

}  // namespace sluice::test
