// SPDX-License-Identifier: Apache-2.0
// Memory that forked processes share, and forked processes that report by their exit code.
#pragma once

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <functional>
#include <span>

#include "tests/catch.hpp"

namespace sluice::test {

class SharedMemory {
 public:
  explicit SharedMemory(std::size_t bytes)
      : size_(bytes), data_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    REQUIRE(data_ != MAP_FAILED);
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() { ::munmap(data_, size_); }

  [[nodiscard]] std::span<std::byte> span() const { return {static_cast<std::byte*>(data_), size_}; }

 private:
  std::size_t size_;
  void* data_;
};

/// After this time a process or a call is taken to hang. No busy machine is as slow.
inline constexpr unsigned kHangSeconds = 600;

/// Forks a process that exits with the result of `body`. It is killed if it hangs.
inline pid_t start_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(kHangSeconds);
    int code = 99;
    try {
      code = body();
    } catch (...) {
    }
    ::_exit(code);
  }
  return child;
}

/// Waits for a process. Returns its exit code, or 128 plus the number of the signal that killed it.
inline int wait_for(pid_t child) {
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Runs `body` in a forked child and returns its result: 0, or the number of the first check that failed.
inline int in_child(const std::function<int()>& body) { return wait_for(start_child(body)); }

}  // namespace sluice::test
