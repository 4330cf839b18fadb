// SPDX-License-Identifier: Apache-2.0
// CPU time and memory of a process, without allocation.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::inline v0_1 {

/// \addtogroup read_api
/// @{

/// Resources that a process uses.
struct Resources {
  std::uint64_t cpu_user_us = 0;     ///< User CPU time since the process started; never goes down.
  std::uint64_t cpu_system_us = 0;   ///< System CPU time since the process started; never goes down.
  std::uint64_t memory_rss = 0;      ///< Bytes resident now.
  std::uint64_t memory_max_rss = 0;  ///< Bytes resident at the peak; at least `memory_rss`.
};

/// CPU time that one thread has used.
struct ThreadCpu {
  std::uint64_t user_us = 0;    ///< User CPU time.
  std::uint64_t system_us = 0;  ///< System CPU time.
};

/// Returns the CPU time of the calling thread. One system call.
[[nodiscard]] ThreadCpu thread_cpu() noexcept;

/// Reads the resources of the process that created the probe. A forked child must create its own.
class ResourceProbe {
 public:
  /// Opens /proc/self/statm for as long as the probe exists.
  ResourceProbe() noexcept;
  ResourceProbe(const ResourceProbe&) = delete;
  ResourceProbe& operator=(const ResourceProbe&) = delete;
  ~ResourceProbe();

  /// Returns CPU times and the peak from getrusage(), and the resident set from /proc/self/statm. Where /proc is not
  /// mounted the peak stands in for the resident set. Any thread; two system calls.
  [[nodiscard]] Resources read() noexcept;

 private:
  int statm_;  ///< File descriptor, or -1.
  /// The kernel counts the resident set by thread and in batches, so one reading can exceed the peak of the next.
  std::atomic<std::uint64_t> peak_{0};
};

/// @}

}  // namespace sluice
