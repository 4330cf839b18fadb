// SPDX-License-Identifier: Apache-2.0
// Pins threads to processors, for tests in which two threads must run at the same time.
#pragma once

#include <sched.h>

#include <cstddef>

namespace sluice::test {

/// Keeps the calling thread on one of the processors that the program may use, while the object exists. A reader that
/// shares its processor with the writer would never find it in the middle of a record.
class Pinned {
 public:
  explicit Pinned(std::size_t which) {
    const cpu_set_t& all = allowed();
    ::sched_getaffinity(0, sizeof before_, &before_);
    std::size_t left = which % static_cast<std::size_t>(CPU_COUNT(&all));
    for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (!CPU_ISSET(cpu, &all) || left-- > 0) continue;
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(cpu, &one);
      ::sched_setaffinity(0, sizeof one, &one);
      return;
    }
  }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned() { ::sched_setaffinity(0, sizeof before_, &before_); }

 private:
  /// Returns the processors of the first thread that calls this. A thread inherits those of the thread that starts it.
  static const cpu_set_t& allowed() {
    static const cpu_set_t all = [] {
      cpu_set_t set;
      ::sched_getaffinity(0, sizeof set, &set);
      return set;
    }();
    return all;
  }

  cpu_set_t before_{};
};

}  // namespace sluice::test
