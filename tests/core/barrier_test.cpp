// Kernels and sandboxes that refuse membarrier, from the start or later on. A filter of system calls binds the thread
// that installs it, so that one thread is refused what another is granted.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <functional>
#include <optional>
#include <thread>

#include "expected.hpp"
#include "manual_clock.hpp"
#include "sluice/detail/policy.hpp"
#include "sluice/recorder.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {

/// From here on membarrier fails on the calling thread.
bool refuse_membarrier(int error) {
  std::array<sock_filter, 4> program = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),  // the number of the system call
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog filter{.len = static_cast<unsigned short>(program.size()), .filter = program.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// Runs `body` on a thread that is refused membarrier.
void where_refused(int error, const std::function<void()>& body) {
  bool refused = false;
  std::thread([&] {
    refused = refuse_membarrier(error);
    if (refused) body();
  }).join();
  REQUIRE(refused);
}

void serve(Worker& worker, ManualClock& clock, int requests) {
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
    serve(worker, clock, 5);
    CHECK(reader.drain().value().request_count == 5);
  });
}

TEST_CASE("barrier: one that is refused later yields an error and no window, and costs no request") {
  REQUIRE(detail::membarrier_available());
  ManualClock clock;
  Recorder recorder({.clock = &clock});
  REQUIRE(recorder.asymmetric());
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  serve(worker, clock, 3);
  std::optional<Reader> late;
  where_refused(EPERM, [&] {
    for (int i = 0; i < 3; ++i) {
      CHECK(absl::IsUnavailable(reader.drain().status()));
      serve(worker, clock, 1);
    }
    late.emplace(recorder.add_reader());  // its window begins where the refused cut did
  });
  serve(worker, clock, 2);
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
