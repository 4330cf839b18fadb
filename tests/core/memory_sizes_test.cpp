// SPDX-License-Identifier: Apache-2.0
// Tests sizes of memory beyond any address space.
#include <signal.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>

#include "registry_rig.hpp"
#include "shared_memory.hpp"
#include "tests/catch.hpp"

namespace sluice::test {
namespace {

using Recorded = sluice::Recorder<Completion>;

/// Returns a number of threads whose memory is just larger than an address space.
std::size_t threads_beyond_addresses(std::size_t series) {
  constexpr std::size_t kThreads = 1024;
  const std::size_t of_thread =
      (Recorded::memory_bytes(2 * kThreads, series) - Recorded::memory_bytes(kThreads, series)) / kThreads;
  return SIZE_MAX / of_thread;
}

}  // namespace

TEST_CASE("memory sizes: what no address space has room for is refused") {
  for (const std::size_t series : {std::size_t{0}, std::size_t{1'000}, RecorderOptions::kSeriesMost}) {
    const std::size_t first = threads_beyond_addresses(series);
    const SharedMemory memory(Recorded::memory_bytes(1, 10));
    for (std::size_t threads = first - 3; threads < first + 6; ++threads) {
      CAPTURE(series, first, threads);
      CHECK(Recorded::memory_bytes(threads, series) > SIZE_MAX / 4);
    }
    CHECK(Recorded::memory_bytes(SIZE_MAX, series) > SIZE_MAX / 4);
    CHECK_THROWS_AS(Recorded({.threads = first + 1, .series = series}), std::bad_alloc);
    CHECK_THROWS_AS(Recorded({.threads = first + 1, .series = series, .memory = memory.span()}), std::invalid_argument);
  }
  CHECK(Recorded::memory_bytes(1, SIZE_MAX) > SIZE_MAX / 4);
}

TEST_CASE("memory sizes: a registry has no room for a region beyond any address space") {
  RegistryRig rig(std::size_t{64} << 20U, {});
  const Registry::GroupId group = rig.group("g");
  const std::size_t first = threads_beyond_addresses(0);
  for (const std::size_t threads : {first, first + 1, SIZE_MAX}) {
    CHECK(rig.registry.pre_allocate({{{.group = group}, threads, 1}}).code() == absl::StatusCode::kResourceExhausted);
  }
  for (const std::size_t host : {SIZE_MAX, SIZE_MAX - 5'000, SIZE_MAX - Recorded::memory_bytes(2) + 1}) {
    CHECK(rig.registry.pre_allocate({{{.group = group}, 2, 1, host}}).code() == absl::StatusCode::kResourceExhausted);
  }
  CHECK(rig.state->slots_used == 0);
}

TEST_CASE("memory sizes: memory beyond the limit of a process for files is refused, and ends no process") {
  RegistryRig rig(std::size_t{64} << 20U, {});
  const Registry::GroupId group = rig.group("g");
  sigset_t mask;
  REQUIRE(::pthread_sigmask(SIG_BLOCK, nullptr, &mask) == 0);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small = {.rlim_cur = 4096, .rlim_max = before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const absl::Status status = rig.registry.pre_allocate({{{.group = group}, 2, 1}});
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK(status == absl::ErrnoToStatus(EFBIG, "ftruncate of a memory file"));
  CHECK(rig.state->slots_used == 0);
  sigset_t pending;
  ::sigpending(&pending);
  CHECK(::sigismember(&pending, SIGXFSZ) == 0);
  sigset_t after;
  REQUIRE(::pthread_sigmask(SIG_BLOCK, nullptr, &after) == 0);
  CHECK(::sigismember(&after, SIGXFSZ) == ::sigismember(&mask, SIGXFSZ));
  CHECK(rig.registry.pre_allocate({{{.group = group}, 2, 1}}).ok());
}

}  // namespace sluice::test
