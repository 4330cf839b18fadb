// SPDX-License-Identifier: Apache-2.0
// Tests a recorder in memory that other processes share. Its counts stay there after it is destroyed.
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <memory>
#include <stdexcept>

#include "memory.hpp"
#include "phases.hpp"
#include "shared_memory.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

std::uint64_t counted(const SharedMemory& memory, std::size_t threads) {
  const auto array = detail::slots_in(memory.span().data(), detail::kMemoryLayout<Completion>, threads);
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < threads; ++i) {
    for (const std::size_t which : {0U, 1U}) count += array.slot(i).bank(which).header.count.load();
  }
  return count;
}

}  // namespace

TEST_CASE("given memory: what a process counted is there for another, also when it was killed") {
  const SharedMemory memory(Recorder::memory_bytes(2));
  const pid_t child = start_child([&] {
    Recorder recorder({.threads = 2, .memory = memory.span()});
    Worker first = recorder.attach();
    Worker second = recorder.attach();
    for (int i = 0; i < 5; ++i) first.begin().finish({});
    second.begin().finish({});
    Reader reader = recorder.add_reader();
    first.begin().finish({});
    if (reader.drain()->request_count != 1) return 1;
    ::raise(SIGKILL);
    return 2;
  });
  CHECK(wait_for(child) == 128 + SIGKILL);
  CHECK(counted(memory, 2) == 7);
}

TEST_CASE("given memory: counts stay when the recorder is destroyed") {
  const SharedMemory memory(Recorder::memory_bytes(1));
  {
    Recorder recorder({.threads = 1, .memory = memory.span()});
    recorder.attach().begin().finish({});
  }
  CHECK(counted(memory, 1) == 1);
  CHECK(in_child([] { return 0; }) == 0);  // a fork after the end of the recorder does not touch the memory
  CHECK(counted(memory, 1) == 1);
}

TEST_CASE("given memory: what is too small, or not of whole pages, is refused") {
  const SharedMemory memory(Recorder::memory_bytes(4) + Recorder::memory_bytes(1));
  const auto make = [](std::span<std::byte> span) { Recorder recorder({.threads = 4, .memory = span}); };
  CHECK_THROWS_AS(make(memory.span().first(Recorder::memory_bytes(3))), std::invalid_argument);
  CHECK_THROWS_AS(make(memory.span().subspan(64)), std::invalid_argument);
  CHECK_THROWS_AS(make(memory.span().first(Recorder::memory_bytes(4) + 8)), std::invalid_argument);
  CHECK_NOTHROW(make(memory.span()));
}

#if !SLUICE_THREAD_SANITIZER  // ThreadSanitizer needs address space in the child
TEST_CASE("given memory: a child that gets no pages of its own cannot write its parent's") {
  const SharedMemory memory(Recorder::memory_bytes(1));
  Recorder recorder({.threads = 1, .memory = memory.span()});
  Worker worker = recorder.attach();
  worker.begin().finish({});
  const auto starved = [&](const std::function<int()>& body) {
    return in_child([&] {
      // The private mapping that replaces the shared one counts as data, of which the process may have no more.
      const rlimit none{0, 0};
      ::setrlimit(RLIMIT_DATA, &none);
      return in_child(body);
    });
  };
  CHECK(starved([] { return 7; }) == 7);  // the child may do anything except record
  CHECK(starved([&] {
          ::signal(SIGSEGV, SIG_DFL);
          worker.begin().finish({});
          return 7;
        }) == 128 + SIGSEGV);
  CHECK(counted(memory, 1) == 1);
}
#endif

}  // namespace sluice::test
