// SPDX-License-Identifier: Apache-2.0
// Tests kernels and sandboxes that refuse membarrier, from the start or later on. A filter of system calls applies to
// the thread that installs it, so one thread can be refused the call that another is granted.
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "audit.hpp"
#include "expected.hpp"
#include "phases.hpp"
#include "pinned.hpp"
#include "sluice/detail/policy.hpp"
#include "sluice/manual_clock.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

/// Commands of membarrier() to refuse. All of them include the query, which is 0.
constexpr unsigned kEveryCommand = ~0U;

/// Makes these commands of membarrier() fail on the calling thread from now on.
bool refuse_membarrier(int error, unsigned commands) {
  constexpr unsigned kCommand = offsetof(seccomp_data, args);  // the lower half, on little-endian machines
  std::array<sock_filter, 6> program = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kCommand),
      commands == kEveryCommand ? sock_filter BPF_STMT(BPF_JMP | BPF_JA, 0)
                                : sock_filter BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, commands, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Runs `body` on a thread that is refused membarrier.
void where_refused(int error, const std::function<void()>& body, unsigned commands = kEveryCommand) {
  bool refused = false;
  std::thread([&] {
    refused = refuse_membarrier(error, commands);
    if (refused) body();
  }).join();
  REQUIRE(refused);
}

void serve_requests(Worker& worker, ManualClock& clock, int requests) {
  for (int i = 0; i < requests; ++i) {
    Request request = worker.begin();
    clock.advance_us(10);
    request.finish({.request_us = 10});
  }
}

}  // namespace

TEST_CASE("barrier: where the kernel refuses it from the start, writers take the fence upon them") {
  const int error = GENERATE(ENOSYS, EPERM);
  where_refused(error, [] {
    ManualClock clock;
    Recorder recorder({.clock = &clock});
    CHECK_FALSE(recorder.asymmetric());
    Reader reader = recorder.add_reader();
    Worker worker = recorder.attach();
    serve_requests(worker, clock, 5);
    CHECK(reader.drain().value().request_count == 5);
  });
}

TEST_CASE("barrier: where readers in other processes cannot have it, writers take the fence upon them for these") {
  constexpr bool kFree = true;
  CHECK(detail::may_leave_fence_to_readers(true, !kFree));
  const unsigned refused =
      GENERATE(as<unsigned>(), MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, MEMBARRIER_CMD_GLOBAL_EXPEDITED);
  where_refused(
      EPERM,
      [] {
        CHECK_FALSE(detail::membarrier_open_to_others());
        CHECK_FALSE(detail::may_leave_fence_to_readers(true, !kFree));
        CHECK(detail::may_leave_fence_to_readers(false, !kFree));
        CHECK(detail::may_leave_fence_to_readers(true, kFree));
      },
      refused);
}

TEST_CASE("barrier: one that is refused later yields an error and no window, and costs no request") {
  REQUIRE(detail::membarrier_available());
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  REQUIRE(recorder.asymmetric());
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  serve_requests(worker, clock, 3);
  std::optional<Reader> late;
  where_refused(EPERM, [&] {
    for (int i = 0; i < 3; ++i) {
      CHECK(reader.drain().status().code() == StatusCode::kUnavailable);
      serve_requests(worker, clock, 1);
    }
    late.emplace(recorder.add_reader());  // its window begins with the refused cut
  });
  serve_requests(worker, clock, 2);
  const Window whole = reader.drain().value();
  CHECK(broken_identity(whole) == "");
  CHECK(whole.request_count == 8);
  CHECK(whole.elapsed_ns == 80'000);
  CHECK(whole.slots[0].busy_ns == 80'000);
  CHECK(whole.sample_period == whole.stop_time - whole.start_time);
  const Window rest = late->drain().value();
  CHECK(broken_identity(rest) == "");
  CHECK(rest.request_count == 5);
  CHECK(rest.elapsed_ns == 50'000);
  CHECK(rest.slots[0].busy_ns == 50'000);
}

TEST_CASE(
    "barrier: a reader that is added while it is refused sees the requests without a slot that end from then on") {
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  REQUIRE(recorder.asymmetric());
  Reader reader = recorder.add_reader();
  Worker shared = recorder.attach_shared();
  serve_requests(shared, clock, 3);
  std::optional<Reader> late;
  where_refused(EPERM, [&] { late.emplace(recorder.add_reader()); });
  serve_requests(shared, clock, 2);
  const Window whole = reader.drain().value();
  CHECK(whole.request_count == 5);
  CHECK(broken_identity(whole) == "");
  CHECK(whole.slots[0].busy_ns == 50'000);
  const Window rest = late->drain().value();
  CHECK(rest.request_count == 2);
  CHECK(broken_identity(rest) == "");
  CHECK(rest.slots[0].busy_ns <= rest.elapsed_ns);
}

namespace {

/// Two threads that serve until they are joined.
class Writers {
 public:
  Writers(Recorder& recorder, const Mix& mix) {
    for (std::size_t w = 0; w < kWriters; ++w) {
      threads_.emplace_back([&, w] {
        const Pinned pinned(w + 1);
        Worker worker = recorder.attach();
        Tally tally(w);
        for (std::uint64_t i = 1; !end_.load(std::memory_order_relaxed); ++i) {
          worker.begin(i).finish(mix[tally.next()], i);
        }
        tallies_[w] = tally;
      });
    }
  }
  Counts join(const Mix& mix) {
    end_ = true;
    for (std::thread& thread : threads_) thread.join();
    Tally all(0);
    for (const Tally& tally : tallies_) all.add(tally);
    return mix.counts(all.served());
  }

 private:
  static constexpr std::size_t kWriters = 2;
  std::array<Tally, kWriters> tallies_{Tally(0), Tally(1)};
  std::atomic<bool> end_{false};
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("barrier: where it is refused from the start, many requests under a spinning reader are exact") {
  const int error = GENERATE(ENOSYS, EPERM);
  const std::uint64_t from = seed();
  CAPTURE(from, error);
  const Mix mix(from, Mode::kDaemon);
  Audit audit;
  Counts served;
  bool asymmetric = true;
  where_refused(error, [&] {
    const Pinned pinned(0);
    Recorder recorder({.threads = 2, .mode = Mode::kDaemon});
    asymmetric = recorder.asymmetric();
    Reader reader = recorder.add_reader();
    Writers writers(recorder, mix);
    Window window;
    const auto drain = [&] {
      if (reader.drain(window).ok()) return audit.add(window);
      audit.complain("a drain failed");
    };
    while (audit.records() < tier(5'000'000, 100'000'000) || audit.windows() < 1'000) drain();
    served = writers.join(mix);
    drain();
  });
  audit.print(error == ENOSYS ? "membarrier unknown" : "membarrier forbidden", 2);
  CHECK_FALSE(asymmetric);
  CHECK(audit.first_broken() == "");
  CHECK(served.difference(audit.counts()) == "");
}

TEST_CASE("barrier: one that is refused again and again under load yields errors, and windows that lack nothing") {
  REQUIRE(detail::membarrier_available());
  const std::uint64_t from = seed();
  CAPTURE(from);
  const Mix mix(from, Mode::kDaemon);
  Recorder recorder({.threads = 2, .mode = Mode::kDaemon});
  REQUIRE(recorder.asymmetric());
  Reader reader = recorder.add_reader();
  Writers writers(recorder, mix);
  Audit audit;
  Window window;
  std::uint64_t errors = 0;
  std::uint64_t delivered = 0;  // windows that were delivered without a barrier
  for (std::uint64_t round = tier(100, 1'000); round > 0; --round) {
    where_refused(EPERM, [&] {
      const Pinned pinned(0);
      for (int i = 0; i < 50; ++i) {
        window.request_count = 0;
        ++(reader.drain(window).code() == StatusCode::kUnavailable && window.request_count == 0 ? errors : delivered);
      }
    });
    const Pinned pinned(0);
    for (int i = 0; i < 50; ++i) {
      if (reader.drain(window).ok()) audit.add(window);
    }
  }
  const Counts served = writers.join(mix);
  if (reader.drain(window).ok()) audit.add(window);
  audit.print("membarrier refused later", 2);
  CHECK(delivered == 0);
  CHECK(errors == tier(100, 1'000) * 50);
  CHECK(audit.first_broken() == "");
  CHECK(served.difference(audit.counts()) == "");
}

TEST_CASE("barrier: one that is refused again and again takes nothing from series, in slots and without") {
  REQUIRE(detail::membarrier_available());
  constexpr std::uint32_t kNumbers = 5;
  sluice::Recorder<Completion> recorder({.threads = 2, .series = kNumbers - 2});
  std::vector<Series> all{Series(0), Series(1)};
  for (std::uint32_t i = 2; i < kNumbers; ++i) {
    all.push_back(recorder.series({{"number", std::to_string(i)}}));
    REQUIRE(all.back().number() == i);
  }
  std::vector<Reader> readers;
  readers.push_back(recorder.add_reader());
  std::atomic<bool> ending{false};
  std::array<std::array<std::uint64_t, kNumbers>, 3> served{};
  std::vector<std::thread> writers;
  for (std::size_t w = 0; w < served.size(); ++w) {
    writers.emplace_back([&, w] {
      Worker worker = w == 0 ? recorder.attach_shared() : recorder.attach();
      for (std::uint32_t i = 0; !ending.load(std::memory_order_relaxed); i = (i + 1) % kNumbers) {
        worker.begin(all[i]).finish({.output_bytes = i});
        ++served[w][i];
      }
    });
  }
  std::array<std::uint64_t, kNumbers> counted{};
  std::string broken;
  const auto drain = [&](Reader& reader, bool counts) {
    const Result<Window> window = reader.drain();
    if (!window.ok()) return;
    std::uint64_t sum = 0;
    for (const SeriesView& series : window->series) {
      const std::uint32_t number = series.series.number();
      sum += series.request_count;
      if (counts) counted.at(number) += series.request_count;
      if (series.get<&Completion::output_bytes>() != series.request_count * number) broken = "a request in part";
    }
    if (sum != window->request_count) broken = "series that are not the window";
  };
  for (std::uint64_t round = tier(50, 1'000); round > 0; --round) {
    where_refused(EPERM, [&] {
      for (int i = 0; i < 5; ++i) drain(readers[0], true);
      readers.push_back(recorder.add_reader());
    });
    for (int i = 0; i < 20; ++i) drain(readers[i % 2 == 0 ? 0 : 1], i % 2 == 0);
    readers.pop_back();
  }
  ending.store(true);
  for (std::thread& writer : writers) writer.join();
  drain(readers[0], true);
  CHECK(broken == "");
  for (std::uint32_t i = 0; i < kNumbers; ++i) CHECK(counted[i] == served[0][i] + served[1][i] + served[2][i]);
}

}  // namespace sluice::test
