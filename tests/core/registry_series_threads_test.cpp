// SPDX-License-Identifier: Apache-2.0
// Tests a set of series that several threads of the parent use while the parent makes groups.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>

#include "registry_series.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

TEST_CASE("registry series: a thread of the parent reads while the parent makes groups") {
  constexpr std::size_t kGroups = 200;
  RegistryRig rig(kBytes, {}, 2);
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

}  // namespace sluice::test
