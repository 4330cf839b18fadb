// SPDX-License-Identifier: Apache-2.0
// Tests that CPU time goes to the group that used it and never goes down, however a process ends or is looked at.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

#include "absl/status/status.h"
#include "os/timeval.hpp"
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

TEST_CASE("registry ends: a child that was waited for with its CPU time is counted for its own group at once") {
  RegistryRig rig;
  const Registry::GroupId first = rig.group("first");
  const Registry::GroupId second = rig.group("second");
  const pid_t burnt = start_burning(rig, first);
  const pid_t idle = rig.start_serving(second, 1);
  const std::uint64_t used_us = cpu_us_of(rig, first);
  RegistryRig::kill(idle);
  RegistryRig::kill(burnt);
  rusage usage{};
  // The handler of a signal waits for the first child between the wait for the second one and the record of its end.
  REQUIRE(::waitpid(idle, nullptr, 0) == idle);
  REQUIRE(::wait4(burnt, nullptr, 0, &usage) == burnt);
  rig.registry.ended(burnt, os::microseconds_of(usage.ru_utime) + os::microseconds_of(usage.ru_stime));
  rig.registry.ended(idle);
  CHECK(group_in(rig.read(), first).processes == 0);
  CHECK(group_in(rig.read(), first).counts.request_count == 1);
  CHECK(cpu_us_of(rig, second) < kBurntUs / 2);
  CHECK(cpu_us_of(rig, first) >= used_us);
}

TEST_CASE("registry ends: CPU time that an end before has taken is not missing in those that follow") {
  constexpr std::uint64_t kHourUs = 3600 * kUsPerSecond;
  RegistryRig rig;
  const Registry::GroupId first = rig.group("first");
  const Registry::GroupId second = rig.group("second");
  const pid_t burnt = start_burning(rig, first);
  const pid_t idle = rig.start_serving(second, 1);
  const pid_t last = rig.start_serving(second, 1);
  RegistryRig::kill(idle);
  RegistryRig::kill(burnt);
  rusage usage{};
  REQUIRE(::waitpid(idle, nullptr, 0) == idle);
  REQUIRE(::wait4(burnt, nullptr, 0, &usage) == burnt);
  rig.registry.ended(idle);  // takes the time of both
  rig.registry.ended(burnt, os::microseconds_of(usage.ru_utime) + os::microseconds_of(usage.ru_stime));
  RegistryRig::kill(last);
  rig.reap(last);
  CHECK(cpu_us_of(rig, first) < kHourUs);
  CHECK(cpu_us_of(rig, second) < kHourUs);
}

}  // namespace sluice::test
