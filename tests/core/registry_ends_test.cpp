// SPDX-License-Identifier: Apache-2.0
// Tests that CPU time goes to the group that used it and never goes down, however a process ends or is looked at.
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>

#include "absl/status/status.h"
#include "registry_rig.hpp"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

constexpr std::uint64_t kBurntUs = 200'000;

/// Starts a process of the group that uses CPU time and then waits.
pid_t start_burning(RegistryRig& rig, Registry::GroupId group) {
  const std::uint64_t before = rig.signals->words[0].load();
  const pid_t pid = rig.start(group, 2, [&](std::span<std::byte> memory) {
    Recorder recorder({.threads = 2, .mode = Mode::kDaemon, .memory = memory});
    recorder.attach().begin().finish({});
    while (thread_cpu_ns() < kBurntUs * kNsPerUs) {
    }
    rig.signals->words[0].fetch_add(1);
    for (;;) ::pause();
    return 0;
  });
  rig.signals->wait_for(0, before + 1);
  return pid;
}

std::uint64_t cpu_us_of(const RegistryRig& rig, Registry::GroupId group) {
  return group_in(rig.read(), group).counts.process_cpu_us;
}

/// Leaves this process no descriptor to open, for a scope.
class NoDescriptors {
 public:
  NoDescriptors() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    const rlimit none = {.rlim_cur = 0, .rlim_max = before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("registry ends: without a descriptor for /proc a reading fails, and no CPU time is missing") {
  RegistryRig rig;
  const Registry::GroupId group = rig.group("g");
  const pid_t pid = start_burning(rig, group);
  REQUIRE(cpu_us_of(rig, group) > 0);
  {
    const NoDescriptors scope;
    const absl::StatusOr<ServerReading> reading = rig.registry.read();
    CHECK(absl::IsUnavailable(reading.status()));
  }
  CHECK(cpu_us_of(rig, group) > 0);
  RegistryRig::kill(pid);
  rig.reap(pid);
}

}  // namespace sluice::test
