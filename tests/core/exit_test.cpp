// SPDX-License-Identifier: Apache-2.0
// Tests that a process can exit while its threads record and drain, because nothing of the core is destroyed under
// them.
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>

#include "shared_memory.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

using namespace sluice::test;

namespace {

/// Runs the program without its error output. Returns its exit code, or 128 plus the number of a signal.
int ended(const char* way, std::uint64_t after_us, bool quiet) {
  const std::string after = std::to_string(after_us);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kHangSeconds);
    if (quiet) {
      const int null = ::open("/dev/null", O_WRONLY);
      ::dup2(null, STDERR_FILENO);
    }
    ::execl(SLUICE_TEST_EXIT_PROGRAM, "exit_program", way, after.c_str(), nullptr);
    ::_exit(126);
  }
  REQUIRE(child > 0);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("exit: a process ends quietly at any instant, however it ends, while threads record and drain") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  Random random(from);
  std::map<int, std::uint64_t> statuses;
  const std::uint64_t runs = tier(200, 1'000);
  for (std::uint64_t run = 0; run < runs; ++run) {
    const char* const way = run % 3 == 0 ? "exit" : run % 3 == 1 ? "quick_exit" : "return";
    ++statuses[ended(way, random() % 4'000, false)];
  }
  std::printf("exit: %llu ends, %llu of them quiet\n", static_cast<unsigned long long>(runs),
              static_cast<unsigned long long>(statuses[0]));
  CHECK(statuses == std::map<int, std::uint64_t>{{0, runs}});
}

// Not with sanitizers, whose reports take long while other threads crash, too.
#if !SLUICE_THREAD_SANITIZER && !SLUICE_ADDRESS_SANITIZER

TEST_CASE("exit: a recorder that is torn down under its threads is noticed") {
  int crashes = 0;
  for (std::uint64_t run = 0; run < 200 && crashes == 0; ++run) {
    crashes += ended("destroyed", 1'000 + run % 7 * 500, true) == 0 ? 0 : 1;
  }
  CHECK(crashes > 0);
}

#endif
