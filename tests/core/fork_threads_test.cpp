// SPDX-License-Identifier: Apache-2.0
// Tests that threads which use a recorder of a forked child for the first time, all at the same time, lose nothing
// where the kernel does not wipe memory.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#include "phases.hpp"
#include "shared_memory.hpp"
#include "sluice/recorder.hpp"
#include "tests/catch.hpp"

namespace {

/// True while the kernel is to be one before 4.14.
std::atomic<bool> is_old_kernel{false};
/// Number of calls that gave memory back on such a kernel.
std::atomic<int> zeroed{0};

}  // namespace

/// Replaces the function of the C library, also for the core. On the old kernel, a thread that gives memory back after
/// another one is held up before it does.
extern "C" int madvise(void* start, std::size_t size, int advice) noexcept {
  if (is_old_kernel.load() && advice == MADV_WIPEONFORK) {
    errno = EINVAL;
    return -1;
  }
  if (is_old_kernel.load() && advice == MADV_DONTNEED && zeroed.fetch_add(1) != 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return static_cast<int>(::syscall(SYS_madvise, start, size, advice));
}

namespace sluice::test {

TEST_CASE("fork: where the kernel cannot wipe memory, threads that use the recorder first together lose nothing") {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kRequests = 20;
  is_old_kernel.store(true);
  sluice::Recorder<Completion> recorder({.threads = kThreads});
  recorder.attach().begin().finish({});
  int failed = 0;
  for (int i = 0; i < 50; ++i) {
    failed += in_child([&] {
      std::atomic<std::uint64_t> waiting{0};
      std::vector<std::thread> threads;
      for (std::uint64_t t = 0; t < kThreads; ++t) {
        threads.emplace_back([&] {
          waiting.fetch_add(1);
          while (waiting.load() < kThreads) {
          }
          for (std::uint64_t k = 0; k < kRequests; ++k) recorder.attach().begin().finish({});
        });
      }
      for (std::thread& thread : threads) thread.join();
      return recorder.totals().request_count == kThreads * kRequests ? 0 : 1;
    });
  }
  is_old_kernel.store(false);
  CHECK(failed == 0);
}

}  // namespace sluice::test
