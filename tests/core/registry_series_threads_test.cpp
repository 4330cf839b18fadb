// SPDX-License-Identifier: Apache-2.0
// Tests a set of series that several threads of the parent use while the parent makes groups and forks.
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

#include "registry_series.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

TEST_CASE("registry series: a thread of the parent reads while the parent makes groups") {
  constexpr std::size_t kGroups = 200;
  RegistryRig rig(kRegistryBytes, {}, 2);
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> readings = 0;
  std::uint64_t failed = 0;
  std::thread reader([&] {
    std::size_t groups = 0;
    while (!stop.load()) {
      const absl::StatusOr<ServerReading> reading = rig.registry.read();
      if (!reading.ok() || reading->groups.size() < groups) ++failed;
      if (reading.ok()) groups = reading->groups.size();
      readings.fetch_add(1);
    }
  });
  for (std::size_t i = 0; i < kGroups; ++i) {
    const std::uint64_t before = readings.load();
    static_cast<void>(rig.group(std::to_string(i)));
    while (readings.load() == before) std::this_thread::yield();
  }
  stop.store(true);
  reader.join();
  CHECK(failed == 0);
  CHECK(rig.read().groups.size() == kGroups);
}

#if !SLUICE_ADDRESS_SANITIZER  // a forked child waits for ever for the lock of its allocator, if a thread had it
TEST_CASE("registry series: a process that was forked while a thread looked up labels can look them up") {
  constexpr std::size_t kForks = 200;
  constexpr std::size_t kThreads = 3;
  RegistryRig rig(kRegistryBytes, demands_of({0}, 1), 2);
  const Registry::GroupId group = rig.group("g");
  const Series first = rig.series->add(route("a"));
  Recorded recorder({.threads = 1, .series_set = rig.series.get(), .mode = mode_number(Mode::kDaemon)});
  std::atomic<bool> stop = false;
  std::array<std::thread, kThreads> threads;
  for (std::thread& thread : threads) {
    thread = std::thread([&] {
      while (!stop.load()) static_cast<void>(recorder.series(route("a")));
    });
  }
  for (std::size_t i = 0; i < kForks; ++i) {
    const pid_t pid = rig.start(group, 2, [&](std::span<std::byte> memory) {
      Recorded own(options_in(rig, memory));
      if (own.series(route("a")) != first || rig.series->add(route("a")) != first) return 1;
      return own.series(route("b")) == Series(1) && rig.series->add(route("b")) == Series(1) ? 0 : 2;
    });
    const int status = wait_for(pid);
    rig.registry.ended(pid);
    CHECK(status == 0);
    if (status != 0) break;
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
}
#endif

}  // namespace sluice::test
