// SPDX-License-Identifier: Apache-2.0
// Tests counts by series of processes that write anything into their regions, or are killed at any instant, and the
// memory that readings commit.
#include "registry_series.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "random.hpp"
#include "shared_memory.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

TEST_CASE("registry series: whatever a process writes, the figures of others are theirs, and all adds up") {
  constexpr std::size_t kMost = 200;
  const std::uint64_t from = seed();
  CAPTURE(from);
  for (const int fill : {0x00, 0x01, 0x2C, 0x7F, 0xFF, -1, -2}) {  // below 0: random bytes, or random marks
    CAPTURE(fill);
    RegistryRig rig(kRegistryBytes, demands_of({0, 1}, 2), kMost);
    const Registry::GroupId honest = rig.group("honest");
    const Registry::GroupId hostile = rig.group("hostile");
    const Series route_a = rig.series->add(route("a"));
    const pid_t served = rig.start(honest, 2, [&](std::span<std::byte> memory) {
      Recorded recorder(options_in(rig, memory));
      for (int i = 0; i < 5; ++i) recorder.attach().begin(route_a).finish({.output_bytes = 1});
      rig.signals->words[0].store(1);
      rest();
      return 0;
    });
    rig.signals->wait_for(0, 1);
    const pid_t attacker = rig.start(hostile, 2, [&](std::span<std::byte> own) {
      Random random(from);
      auto* const words = reinterpret_cast<std::uint64_t*>(own.data());
      for (std::size_t i = 0; i < own.size() / 8; ++i) {
        if (fill >= 0) std::memset(&words[i], fill, 8);
        if (fill == -1) words[i] = random();
        if (fill == -2) words[i] = random() % 3 == 0 ? random() : any_size(random, 20);
      }
      rig.signals->words[0].store(2);
      rest();
      return 0;
    });
    rig.signals->wait_for(0, 2);
    SeriesCounts last;
    for (const bool ended : {false, true}) {
      const std::uint64_t begun_ns = monotonic_ns();
      const ServerReading reading = rig.read();
      CAPTURE(ended, monotonic_ns() - begun_ns);
      check(reading, false);
      CHECK(broken_series(group_in(reading, honest).counts) == "");
      const GroupCounts& own = group_in(reading, honest).counts;
      CHECK(by_labels(own.series) == ByLabels{{"route=a;", 5}});
      CHECK(own.series.find(route_a)->get<&Completion::output_bytes>() == 5);
      CHECK(own.request_count == 5);
      // All series of the attacker together are bounded by its age, so the total has room for others.
      for (const std::uint64_t word : words_of(reading.total.counts)) CHECK(word < UINT64_MAX / 1024);
      for (const SeriesView& series : group_in(reading, hostile).counts.series) CHECK(series.series.number() <= 2);
      if (ended) CHECK(lower_series(last, group_in(reading, hostile).counts.series) == "");
      last = group_in(reading, hostile).counts.series;
      if (ended) break;
      RegistryRig::kill(attacker);
      rig.reap(attacker);
    }
    RegistryRig::kill(served);
    rig.reap(served);
    CHECK(by_labels(group_in(rig.read(), honest).counts.series) == ByLabels{{"route=a;", 5}});
  }
}

TEST_CASE("registry series: marks that lead behind the series read nothing there") {
  constexpr std::size_t kMost = 3;
  constexpr std::size_t kThreads = 2;
  const std::size_t bytes = Recorded::memory_bytes(kThreads, kMost);
  auto* const mapped = static_cast<std::byte*>(
      ::mmap(nullptr, bytes + (std::size_t{1} << 20U), PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  REQUIRE(mapped != MAP_FAILED);
  REQUIRE(::mprotect(mapped, bytes, PROT_READ | PROT_WRITE) == 0);  // the pages behind stay inaccessible
  std::memset(mapped, 0xFF, bytes);
  const Region region{.layout = detail::kMemoryLayout<Completion>,
                      .memory = mapped,
                      .threads = kThreads,
                      .mode = mode_number(Mode::kDaemon),
                      .series = kMost,
                      .series_end = 3};
  std::vector<std::uint64_t> words(GroupCounts::kOwnWords + schema_info<Completion>.sums);
  std::uint32_t greatest = 0;
  constexpr std::uint64_t kAgeNs = 1'000'000;
  add_ended_by_series(region, kAgeNs, words, [&](std::uint32_t number, std::span<const std::uint64_t> amounts) {
    greatest = std::max(greatest, number);
    CHECK(amounts.size() == words.size() - GroupCounts::kOwnWords + 1);
  });
  CHECK(greatest < 3);
  CHECK(words[kRequestCount] > 0);
  // Each bank of a slot or stripe, and of each of its series, has a bound; sixteen threads may share a stripe.
  constexpr std::size_t kBanks = 2 * (1 + kMost + 1);
  const std::uint64_t most = kBanks * (kThreads + 16 * detail::overflow_stripes()) * kAgeNs;
  CHECK(words[kRequestCount] <= most);
  const auto all = std::span(words).subspan(GroupCounts::kOwnWords);
  CHECK(*std::max_element(all.begin(), all.end()) <= 64 * most);
  ::munmap(mapped, bytes + (std::size_t{1} << 20U));
}

TEST_CASE("registry series: a series at its bound does not go down when another one of its slot grows") {
  SeriesSet<Completion> set(2);
  const Series series = set.add(route("a"));
  constexpr std::uint8_t kMode = mode_number(Mode::kDaemon);
  const SharedMemory shared(Recorded::memory_bytes(1, set.most()));
  Recorded recorder({.threads = 1, .series_set = &set, .mode = kMode, .memory = shared.span()});
  auto worker = recorder.attach();
  const auto bytes_of_series = [&](std::uint64_t age_ns) {
    const Region region{.layout = detail::kMemoryLayout<Completion>,
                        .memory = shared.span().data(),
                        .threads = 1,
                        .mode = kMode,
                        .series = set.most(),
                        .series_end = 3};
    std::vector<std::uint64_t> words(GroupCounts::kOwnWords + schema_info<Completion>.sums);
    std::uint64_t bytes = 0;
    constexpr std::size_t kWord = 1 + schema_info<Completion>.fields[detail::field_of<&Completion::output_bytes>()].sum;
    add_ended_by_series(region, age_ns, words, [&](std::uint32_t number, std::span<const std::uint64_t> amounts) {
      if (number == series.number()) bytes += amounts[kWord];
    });
    return bytes;
  };
  for (int i = 0; i < 10; ++i) worker.begin(series).finish({.output_bytes = 10'000'000'000});
  const std::uint64_t before = bytes_of_series(1'000'000'000);
  for (int i = 0; i < 3; ++i) worker.begin().finish({.output_bytes = 10'000'000'000});
  CHECK(bytes_of_series(1'100'000'000) >= before);
}

namespace {

/// Returns the number of pages of shared memory that are committed, seen from a mapping of them.
std::size_t committed(std::span<const std::byte> memory) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages(memory.size() / page);
  REQUIRE(::mincore(const_cast<std::byte*>(memory.data()), memory.size(), pages.data()) == 0);
  return static_cast<std::size_t>(
      std::count_if(pages.begin(), pages.end(), [](unsigned char flags) { return (flags & 1U) != 0; }));
}

}  // namespace

TEST_CASE("registry series: readings commit memory of series in use alone") {
  constexpr std::size_t kMost = 1'000;
  RegistryRig rig(std::size_t{1} << 30U, demands_of({0}, 1), kMost);
  const Registry::GroupId group = rig.group("g");
  std::vector<Series> all;
  for (std::size_t i = 0; i < kMost; ++i) all.push_back(rig.series->add(route(std::to_string(i))));
  const pid_t pid = rig.start(group, 2, [&](std::span<std::byte> memory) {
    Recorded recorder(options_in(rig, memory));
    sluice::Worker<Completion> worker = recorder.attach();
    worker.begin().finish({});
    rig.signals->words[0].store(1);
    rig.signals->wait_for(1, 1);
    for (std::size_t i = 0; i < 10; ++i) worker.begin(all[97 * i]).finish({});
    rig.signals->words[0].store(2);
    rest();
    return 0;
  });
  rig.signals->wait_for(0, 1);
  const std::span<const std::byte> region{rig.state->slots[0].readable, rig.state->slots[0].bytes};
  CHECK(region.size() / 4096 > 2'000 * 11 / 4);
  const std::size_t plain = committed(region);
  CHECK(rig.read().total.counts.request_count == 1);
  CHECK(committed(region) <= plain + 3);  // the page of the slot that says that it has used none
  rig.signals->words[1].store(1);
  rig.signals->wait_for(0, 2);
  const std::size_t labelled = committed(region);
  CHECK(labelled <= plain + 3 + 10 * 3 + 1);
  CHECK(rig.read().total.counts.request_count == 11);
  CHECK(committed(region) == labelled);
  RegistryRig::kill(pid);
  rig.reap(pid);
  CHECK(rig.read().total.counts.series.size() == 11);
}

namespace {

enum Word : std::size_t { kStop, kLower, kBroken, kReadings, kFailed };

/// Reads until it is told to stop. Counts readings in which something went down, or that do not add up.
int scrape(RegistryRig& rig) {
  Signals& signals = *rig.signals;
  ServerReading last;
  while (signals.words[kStop].load() == 0) {
    absl::StatusOr<ServerReading> reading = rig.registry.read();
    if (!reading.ok()) {
      signals.words[kFailed].fetch_add(1);
      continue;
    }
    for (std::size_t i = 0; i < reading->groups.size(); ++i) {
      const GroupCounts& now = reading->groups[i].counts;
      if (!broken_series(now).empty()) signals.words[kBroken].fetch_add(1);
      if (i >= last.groups.size()) continue;
      const GroupCounts& before = last.groups[i].counts;
      if (!lower_series(before.series, now.series).empty() || first_lower(before, now) >= 0) {
        signals.words[kLower].fetch_add(1);
      }
    }
    last = *std::move(reading);
    signals.words[kReadings].fetch_add(1);
  }
  return 0;
}

}  // namespace

TEST_CASE("registry series: processes that are killed inside records and replaced, under a reader without a pause") {
  constexpr std::uint32_t kSeries = 6;
  constexpr std::size_t kProcesses = 3;
  constexpr std::size_t kThreads = 2;
  const std::uint64_t from = seed();
  CAPTURE(from);
  RegistryRig rig(kRegistryBytes, demands_of({0, 1}), kSeries);
  const std::array<Registry::GroupId, 2> groups{rig.group("a"), rig.group("b")};
  std::vector<Series> all{Series()};
  for (std::uint32_t i = 0; i < kSeries; ++i) all.push_back(rig.series->add(route(std::to_string(i))));
  const SharedMemory counters(4096);
  auto* const completed = reinterpret_cast<std::atomic<std::uint64_t>*>(counters.span().data());
  const pid_t reader = start_child([&] { return scrape(rig); });
  std::array<pid_t, kProcesses> pids{};
  // Each series has counts of its own: the second thread records without a slot of its own.
  const auto start = [&](std::size_t i, std::uint64_t salt) {
    pids[i] = rig.start(groups[i % 2], kThreads, [&, i, salt](std::span<std::byte> memory) {
      Recorded recorder(options_in(rig, memory));
      const auto work = [&](bool shared) {
        sluice::Worker<Completion> worker = shared ? recorder.attach_shared() : recorder.attach();
        Random random(from + salt + (shared ? 1 : 0));
        for (;;) {
          const std::size_t which = random() % all.size();
          worker.begin(all[which]).finish({.status = 200, .request_us = random() % 8, .output_bytes = 1});
          completed[i % 2 * all.size() + which].fetch_add(1, std::memory_order_relaxed);
        }
      };
      Reader drains = recorder.add_reader();
      std::thread other([&] { work(true); });
      std::thread third([&] {
        for (;;) static_cast<void>(drains.drain());
      });
      work(false);
      return 0;
    });
  };
  for (std::size_t i = 0; i < kProcesses; ++i) start(i, i);
  Random random(from);
  const std::uint64_t kills = tier(150, 10'000);
  for (std::uint64_t kill = 0; kill < kills; ++kill) {
    ::usleep(static_cast<useconds_t>(random() % 8'000));
    const std::size_t victim = random() % kProcesses;
    RegistryRig::kill(pids[victim]);
    rig.reap(pids[victim]);
    start(victim, kill);
  }
  for (const pid_t pid : pids) {
    RegistryRig::kill(pid);
    rig.reap(pid);
  }
  rig.signals->words[kStop].store(1);
  CHECK(wait_for(reader) == 0);
  CHECK(rig.signals->words[kLower].load() == 0);
  CHECK(rig.signals->words[kBroken].load() == 0);
  CHECK(rig.signals->words[kFailed].load() == 0);
  CHECK(rig.signals->words[kReadings].load() > kills / 8);
  const ServerReading end = rig.read();
  check(end);
  std::uint64_t extra = 0;
  for (std::size_t group = 0; group < 2; ++group) {
    for (std::size_t which = 0; which < all.size(); ++which) {
      const std::uint64_t served = completed[group * all.size() + which].load();
      const std::optional<SeriesView> series = end.groups[group].counts.series.find(all[which]);
      const std::uint64_t counted = series ? series->request_count : 0;
      CAPTURE(group, which);
      CHECK(counted >= served);
      extra += counted - served;
    }
  }
  CHECK(extra <= kThreads * (kills + kProcesses));
  std::printf("registry series: %llu kills, %llu requests, %llu readings, %llu recorded and not yet counted\n",
              static_cast<unsigned long long>(kills), static_cast<unsigned long long>(end.total.counts.request_count),
              static_cast<unsigned long long>(rig.signals->words[kReadings].load()),
              static_cast<unsigned long long>(extra));
}

}  // namespace sluice::test
