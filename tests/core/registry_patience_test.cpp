// SPDX-License-Identifier: Apache-2.0
// The time that a reading takes at most.
#include <array>
#include <chrono>
#include <thread>

#include "registry_rig.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

TEST_CASE("registry: a reading has two seconds for all groups whose processes end meanwhile") {
  using Clock = std::chrono::steady_clock;
  RegistryRig rig;
  const std::array<pid_t, 2> pids = {rig.start_serving(rig.group("one"), 1), rig.start_serving(rig.group("two"), 1)};
  for (const pid_t pid : pids) {
    RegistryRig::kill(pid);
    REQUIRE(::waitpid(pid, nullptr, 0) == pid);
  }
  Clock::time_point retired;
  std::thread parent([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1800));
    rig.registry.ended(pids[0]);
    retired = Clock::now();
  });
  const absl::StatusOr<ServerReading> reading = rig.registry.read();
  const Clock::time_point end = Clock::now();
  parent.join();
  CHECK(reading.status().code() == absl::StatusCode::kUnavailable);
  CHECK(end - retired < std::chrono::milliseconds(1900));  // two seconds more, if each group had them
  rig.registry.ended(pids[1]);
  CHECK(rig.read().total.counts.request_count == 2);
}

}  // namespace sluice::test
