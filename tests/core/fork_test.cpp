// SPDX-License-Identifier: Apache-2.0
// Tests that a forked child finds its recorder empty, and that the parent's goes on undisturbed. The child reports by
// its exit code.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "audit.hpp"
#include "members.hpp"
#include "phases.hpp"
#include "shared_memory.hpp"
#include "sluice/cumulative.hpp"
#include "sluice/manual_clock.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

#if !defined(SLUICE_TEST_ITSELF)
#define SLUICE_TEST_ITSELF "/proc/self/exe"
#endif

namespace {

/// The memory of a recorder: its own, or memory that other processes share.
class RecorderMemory {
 public:
  explicit RecorderMemory(std::size_t threads) {
    if (GENERATE(false, true)) shared_.emplace(Recorder::memory_bytes(threads));
  }
  [[nodiscard]] std::span<std::byte> span() const { return shared_ ? shared_->span() : std::span<std::byte>(); }

 private:
  std::optional<SharedMemory> shared_;
};

/// Checks in a child that an inherited reader and a new one see the child's requests and none of the parent's.
int child_is_empty_and_works(Recorder& recorder, Reader& inherited) {
  const Result<Window> empty = inherited.drain();
  if (!empty.ok()) return 1;
  if (empty->request_count != 0 || empty->threads_started != 0) return 2;
  if (recorder.totals().request_count != 0 || recorder.totals().active_requests != 0) return 3;
  Reader own = recorder.add_reader();
  Worker worker = recorder.attach();
  if (worker.slot() != 0) return 4;
  for (int i = 0; i < 3; ++i) worker.begin().finish({.status = 301, .request_us = 5'000});
  for (Reader* reader : {&inherited, &own}) {
    const Result<Window> window = reader->drain();
    if (!window.ok() || !broken_identity(*window).empty()) return 5;
    if (window->request_count != 3 || classes_of(*window)[2] != 3) return 6;
  }
  return recorder.totals().request_count == 3 ? 0 : 7;
}

}  // namespace

TEST_CASE("fork: the child's recorder is empty, and neither sees the other's requests") {
  const RecorderMemory memory(4);
  const bool allow_membarrier = GENERATE(true, false);
  Recorder recorder({.threads = 4, .allow_membarrier = allow_membarrier, .memory = memory.span()});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  worker.begin().finish({});
  CHECK(in_child([&] { return child_is_empty_and_works(recorder, reader); }) == 0);
  worker.begin().finish({});
  CHECK(reader.drain().value().request_count == 2);
  CHECK(recorder.totals().request_count == 2);
}

TEST_CASE("fork: a request begun before is the parent's, and a worker goes on in both") {
  const RecorderMemory memory(1);
  Recorder recorder({.threads = 1, .memory = memory.span()});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  Worker unslotted = recorder.attach();
  Request outer = worker.begin();
  Request inner = worker.begin();
  Request overflowed = unslotted.begin();
  CHECK(in_child([&] {
          outer.finish({});
          inner.finish({});
          worker.begin().finish({});
          overflowed.finish({});
          unslotted.begin().finish({});
          const Result<Window> window = reader.drain();
          if (!window.ok() || !broken_identity(*window).empty()) return 1;
          if (window->request_count != 2) return 2;
          if (recorder.totals().active_requests != 0) return 3;
          return recorder.totals().request_count == 2 ? 0 : 4;
        }) == 0);
  outer.finish({});
  inner.finish({});
  overflowed.finish({});
  CHECK(reader.drain().value().request_count == 3);
}

TEST_CASE("fork: a slot that another took in the child is not written by its old worker") {
  const RecorderMemory memory(2);
  Recorder recorder({.threads = 2, .memory = memory.span()});
  Reader reader = recorder.add_reader();
  std::optional<Worker> old = recorder.attach();
  Request before = old->begin();
  CHECK(in_child([&] {
          Worker fresh = recorder.attach();
          if (fresh.slot() != 0) return 1;
          before.finish({});
          Request foreign = old->begin();  // the slot is taken, so overflow counters count it
          const Result<Window> first = reader.drain();
          if (!first.ok() || first->slots[0].in_flight || first->request_count != 0) return 2;
          Request in_flight = fresh.begin();
          if (recorder.totals().active_requests != 2) return 3;
          in_flight.finish({});
          foreign.finish({});
          old.reset();  // does not release the slot of another worker
          if (recorder.attach().slot() != 1) return 4;
          const Result<Window> window = reader.drain();
          if (!window.ok() || window->request_count != 2) return 5;
          return broken_identity(*window).empty() ? 0 : 6;
        }) == 0);
}

TEST_CASE("fork: readers of the parent and of the child are not confused") {
  Recorder recorder({.threads = 1});
  std::optional<Reader> inherited = recorder.add_reader();
  CHECK(in_child([&] {
          Reader own = recorder.add_reader();
          Worker worker = recorder.attach();
          worker.begin().finish({});
          const Result<Window> window = inherited->drain();
          if (!window.ok() || window->request_count > 1) return 1;
          inherited.reset();
          return own.drain().value().request_count == 1 ? 0 : 2;
        }) == 0);
}

TEST_CASE("fork: each reader of the parent sees every request of the child, whoever drains first") {
  Recorder recorder({.threads = 1});
  Reader one = recorder.add_reader();
  Reader other = recorder.add_reader();
  CHECK(in_child([&] {
          Worker worker = recorder.attach();
          worker.begin().finish({});
          worker.begin().finish({});
          if (one.drain().value().request_count != 2) return 1;
          Reader own = recorder.add_reader();
          worker.begin().finish({});
          const Window window = other.drain().value();
          if (window.request_count != 3 || !broken_identity(window).empty()) return 2;
          if (one.drain().value().request_count != 1 || own.drain().value().request_count != 1) return 3;
          return other.drain().value().request_count == 0 ? 0 : 4;
        }) == 0);
}

TEST_CASE("fork: the first window of a child has the busy time of its requests") {
  ManualClock clock;
  Recorder recorder({.threads = 1, .clock = &clock});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  CHECK(in_child([&] {
          Request request = worker.begin();
          clock.advance_us(500);
          request.finish({});
          clock.advance_us(100);
          Reader late = recorder.add_reader();
          clock.advance_us(1'000);
          const Window all = reader.drain().value();
          if (all.request_count != 1 || all.slots[0].busy_ns != 500'000 || all.elapsed_ns != 1'600'000) return 1;
          const Window none = late.drain().value();
          return none.request_count == 0 && none.slots[0].busy_ns == 0 ? 0 : 2;
        }) == 0);
}

TEST_CASE("fork: the CPU time of a child's first window is that since the window began") {
  Recorder recorder({.threads = 1});
  Reader reader = recorder.add_reader();
  CHECK(in_child([&] {
          const Worker worker = recorder.attach();
          const std::uint64_t start_ns = thread_cpu_ns();
          while (thread_cpu_ns() - start_ns < 50'000'000) {
          }
          const Window window = reader.drain().value();
          return window.cpu_user_us + window.cpu_system_us >= 40'000 ? 0 : 1;
        }) == 0);
}

TEST_CASE("fork: the sum of a cumulative reader begins anew in the child, and goes on in the parent") {
  Recorder recorder({.threads = 2});
  CumulativeReader cumulative(recorder.add_reader());
  const auto read_count = [&] {
    Window window;
    return cumulative.read(window).ok() ? window.request_count : UINT64_MAX;
  };
  Worker worker = recorder.attach();
  const bool used = GENERATE(false, true);
  worker.begin().finish({.status = 200});
  if (used) CHECK(read_count() == 1);
  const auto record_two = [&] {
    for (int i = 0; i < 2; ++i) worker.begin().finish({.status = 200});
  };
  CHECK(in_child([&] {
          if (read_count() != 0) return 1;
          record_two();
          if (read_count() != 2) return 2;
          const int of_grandchild = in_child([&] { return static_cast<int>(read_count()); });
          if (of_grandchild != 0) return 3;
          record_two();
          return read_count() == 4 ? 0 : 4;
        }) == 0);
  record_two();
  CHECK(read_count() == 3);
}

TEST_CASE("fork: the child of a child begins empty, too") {
  const RecorderMemory memory(2);
  Recorder recorder({.threads = 2, .memory = memory.span()});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  worker.begin().finish({});
  CHECK(in_child([&] {
          const int first = child_is_empty_and_works(recorder, reader);
          if (first != 0) return first;
          return in_child([&] { return child_is_empty_and_works(recorder, reader); }) == 0 ? 0 : 20;
        }) == 0);
}

TEST_CASE("fork: numbers that come round in the child identify its overflow counters all the same") {
  const std::uint32_t number = GENERATE(0U, UINT32_MAX);
  CAPTURE(number);
  Recorder recorder({.threads = 1});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  next_number(recorder).store(number);  // after 2^32 claims
  CHECK(in_child([&] {
          if (!reader.drain().ok()) return 1;
          Worker own = recorder.attach();
          Worker unslotted = recorder.attach();
          if (unslotted.has_slot()) return 2;
          Request request = unslotted.begin();
          if (recorder.totals().active_requests != 1) return 3;
          request.finish({});
          const Result<Window> window = reader.drain();
          if (!window.ok() || window->request_count != 1) return 4;
          return broken_identity(*window).empty() ? 0 : 5;
        }) == 0);
}

TEST_CASE("fork: a recorder can be destroyed in a child that never used it") {
  const RecorderMemory memory(2);
  auto recorder = std::make_unique<Recorder>(Recorder::Options{.threads = 2, .memory = memory.span()});
  auto reader = std::make_unique<Reader>(recorder->add_reader());
  auto worker = std::make_unique<Worker>(recorder->attach());
  CHECK(in_child([&] {
          worker.reset();
          reader.reset();
          recorder.reset();
          return 0;
        }) == 0);
}

namespace {

/// Refuses MADV_WIPEONFORK on the calling thread from now on, as kernels before 4.14 do.
bool refuse_wipe_on_fork() {
  std::array<sock_filter, 6> program = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args) + 2 * sizeof(std::uint64_t)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_WIPEONFORK, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

std::size_t resident_pages() {
  std::size_t size = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident;
}

}  // namespace

TEST_CASE("fork: where the kernel cannot wipe memory, the child's recorder is empty and commits no more than it uses") {
  constexpr std::size_t kSeries = 5'000;
  const std::size_t pages =
      sluice::Recorder<Completion>::memory_bytes(2, kSeries) / static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  bool refused = false;
  int code = -1;
  std::thread([&] {
    refused = refuse_wipe_on_fork();
    if (!refused) return;
    sluice::Recorder<Completion> recorder({.threads = 2, .series = kSeries});
    Reader reader = recorder.add_reader();
    Worker worker = recorder.attach();
    const Series series = recorder.series({{"route", "/"}});
    worker.begin(series).finish({});
    const std::size_t before = resident_pages();
    code = in_child([&] {
      Reader own = recorder.add_reader();
      worker.begin(series).finish({});
      if (own.drain()->request_count != 1 || recorder.totals().request_count != 1) return 1;
      return resident_pages() < before + pages / 4 ? 0 : 2;
    });
  }).join();
  REQUIRE(refused);
  CHECK(code == 0);
}

TEST_CASE("fork: at any instant, under writers and a reader that drains, the child is empty and the parent exact") {
  const bool allow_membarrier = GENERATE(true, false);
  const RecorderMemory memory(7);
  const std::uint64_t from = seed();
  CAPTURE(from, allow_membarrier);
  const Mix mix(from, Mode::kEmbedded);
  constexpr std::size_t kWriters = 8;
  Recorder recorder({.threads = kWriters - 1, .allow_membarrier = allow_membarrier, .memory = memory.span()});
  Reader reader = recorder.add_reader();
  Reader second = recorder.add_reader();
  std::atomic<bool> stop{false};
  std::vector<Tally> tallies(kWriters, Tally(from));
  std::atomic<std::size_t> recording{0};
  std::atomic<std::size_t> drains{0};
  std::vector<std::thread> threads;
  threads.reserve(kWriters + 1);
  for (Tally& tally : tallies) {
    threads.emplace_back([&] {
      Worker worker = recorder.attach();
      const auto serve = [&] { worker.begin().finish(mix[tally.next()]); };
      serve();
      recording.fetch_add(1);
      while (!stop.load()) serve();
    });
  }
  Audit audit;
  threads.emplace_back([&] {
    Window window;
    while (!stop.load()) {
      if (reader.drain(window).ok()) audit.add(window);
      drains.fetch_add(1);
    }
  });
  if (SLUICE_ADDRESS_SANITIZER != 0) {
    // A forked child waits for ever for the lock of its allocator, if a thread had it. The threads allocate until the
    // windows have all of them.
    while (recording.load() < kWriters) std::this_thread::yield();
    for (const std::size_t before = drains.load(); drains.load() < before + 3;) std::this_thread::yield();
  }

  Random random(from);
  std::vector<int> failures;
  const std::uint64_t forks = (long_run() ? 1'000 : 200) / (kSlower > 1 ? 10 : 1);
  const auto child = [&] { return child_is_empty_and_works(recorder, second); };
  const auto mother = [&] {
    if (const int code = child(); code != 0) return code;
    return in_child(child) == 0 ? 0 : 20;
  };
  for (std::uint64_t i = 0; i < forks; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 3'000));
    const int code = random() % 4 == 0 ? in_child(mother) : in_child(child);
    if (code != 0) failures.push_back(code);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  audit.add(reader.drain().value());
  audit.print("forks", kWriters);
  std::printf("forks: %llu\n", static_cast<unsigned long long>(forks));
  CHECK(failures == std::vector<int>{});
  CHECK(audit.first_broken() == "");
  Tally all(0);
  for (const Tally& tally : tallies) all.add(tally);
  CHECK(mix.counts(all.served()).difference(audit.counts()) == "");
  CHECK(recorder.totals().request_count == audit.counts().requests);
}

// The next test runs this one in a program of its own.
TEST_CASE("fork: a new program", "[.]") {
  Recorder recorder({.threads = 2});
  CHECK(recorder.asymmetric());
  Reader reader = recorder.add_reader();
  CHECK(child_is_empty_and_works(recorder, reader) == 0);
}

TEST_CASE("fork: a program that a child becomes asks for membarrier itself") {
  REQUIRE(detail::membarrier_available());
  Recorder recorder({.threads = 2});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  std::atomic<bool> stop{false};
  std::uint64_t served = 0;
  std::thread writer([&] {
    while (!stop.load()) {
      worker.begin().finish({});
      ++served;
    }
  });
  for (const bool used : {false, true}) {
    CAPTURE(used);
    CHECK(in_child([&] {
            if (used && child_is_empty_and_works(recorder, reader) != 0) return 1;
            ::close(STDOUT_FILENO);
            ::execl(SLUICE_TEST_ITSELF, "core_tests", "fork: a new program", nullptr);
            return 2;
          }) == 0);
  }
  stop = true;
  writer.join();
  CHECK(reader.drain().value().request_count == served);
}

}  // namespace sluice::test
