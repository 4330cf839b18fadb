// SPDX-License-Identifier: Apache-2.0
#include "sluice/resources.hpp"
#include "phases.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <optional>

#include "allocations.hpp"
#include "os/processes.hpp"
#include "pinned.hpp"
#include "shared_memory.hpp"
#include "sluice/clock.hpp"
#include "sluice/manual_clock.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

TEST_CASE("resources: the peak is never below what is resident") {
  ResourceProbe probe;
  for (int i = 0; i < 200; ++i) {
    constexpr std::size_t kBytes = 4 << 20;
    void* const memory = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    std::memset(memory, 1, kBytes);
    const Resources now = probe.read();
    CHECK(now.memory_rss > kBytes);
    CHECK(now.memory_max_rss >= now.memory_rss);
    ::munmap(memory, kBytes);
  }
}

TEST_CASE("resources: CPU time grows with work, in microseconds, and never goes down") {
  ResourceProbe probe;
  Resources last = probe.read();
  const std::uint64_t start_us = last.cpu_user_us + last.cpu_system_us;
  bool odd_tick = false;
  const std::uint64_t start_ns = thread_cpu_ns();
  // The kernel may account a short run in steps, but a longer one in microseconds.
  for (std::uint64_t used_ns = 0; used_ns < 50'000'000 || (!odd_tick && used_ns < 3'000'000'000);
       used_ns = thread_cpu_ns() - start_ns) {
    const Resources now = probe.read();
    CHECK(now.cpu_user_us >= last.cpu_user_us);
    CHECK(now.cpu_system_us >= last.cpu_system_us);
    odd_tick = odd_tick || now.cpu_user_us % 1'000 != 0 || now.cpu_system_us % 1'000 != 0;
    last = now;
  }
  CHECK(last.cpu_user_us + last.cpu_system_us >= start_us + 30'000);
  CHECK(odd_tick);
}

TEST_CASE("resources: reading them allocates nothing") {
  ResourceProbe probe;
  const std::uint64_t before = allocations();
  for (int i = 0; i < 100; ++i) static_cast<void>(probe.read());
  const std::uint64_t after = allocations();
  CHECK(after == before);
}

TEST_CASE("recorder: recording allocates nothing, nor does a drain into a window used before") {
  const Pinned pinned(0);  // so that the inner requests are in one stripe of the overflow counters
  ManualClock clock;
  Recorder recorder({.threads = 2, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  Window window;
  {
    Request outer = worker.begin();
    worker.begin().finish({});
  }
  REQUIRE(reader.drain(window).ok());
  REQUIRE(reader.drain(window).ok());
  const std::uint64_t before = allocations();
  bool drained = true;
  for (int i = 0; i < 100; ++i) {
    worker.begin().finish({.request_us = 10});
    {
      Request outer = worker.begin();
      worker.begin().finish({});
    }
    drained = drained && reader.drain(window).ok();
  }
  const std::uint64_t after = allocations();
  CHECK(after == before);
  CHECK(drained);
}

TEST_CASE("resources: a process that is shown while it is forgotten is gone, and has not used nothing") {
  const std::optional<os::ProcessUsage> used = os::usage_in(
      "10497 (a) (b) c) Z 10483 10497 10483 0 -1 4228108 26 0 0 0 7 3 2 1 20 0 1 0 6062993 4096 5 0 0 0 0 0 0 0 0 0 0");
  REQUIRE(used);
  CHECK(used->cpu_us == 13 * 1'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)));
  CHECK(used->resident_bytes == 5 * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
  CHECK_FALSE(os::usage_in("10497 (a) (b) c) X 0 -1 -1 0 -1 4227148 26 0 0 0 0 0 0 0 20 0 0 0 6062993 0 0 0 0 0 0 0"));
}

TEST_CASE("resources: the CPU time of a process that /proc hides is that of its clock") {
  constexpr int kNotPossible = 77;
  constexpr std::uint64_t kUsedUs = 30'000;
  while (thread_cpu_ns() < kUsedUs * kNsPerUs) {
  }
  const pid_t hidden = ::getpid();
  const int status = in_child([hidden] {
    // An empty /proc, which only this child sees.
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return kNotPossible;
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kNotPossible;
    if (::mount("none", "/proc", "tmpfs", 0, nullptr) != 0) return kNotPossible;
    const absl::StatusOr<os::ProcessUsage> usage = os::usage_of(hidden);
    if (!usage.ok() || usage->resident_bytes != 0) return 1;
    return usage->cpu_us >= kUsedUs ? 0 : 2;
  });
  if (status == kNotPossible) {
    WARN("this system lets no test hide /proc");
    return;
  }
  CHECK(status == 0);
}

}  // namespace sluice::test
