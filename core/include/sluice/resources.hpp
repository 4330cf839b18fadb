// CPU time and memory of a process, each by one system call, without allocation.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice {

struct Resources {
  std::uint64_t cpu_user_us = 0;     ///< Since the process started; never goes down.
  std::uint64_t cpu_system_us = 0;   ///< Since the process started; never goes down.
  std::uint64_t memory_rss = 0;      ///< Bytes resident now.
  std::uint64_t memory_max_rss = 0;  ///< Bytes resident at the peak; at least memory_rss.
};

/// CPU time that one thread has used.
struct ThreadCpu {
  std::uint64_t user_us = 0;
  std::uint64_t system_us = 0;
};

/// Of the calling thread, from getrusage().
[[nodiscard]] ThreadCpu thread_cpu() noexcept;

/// Reads the resources of the process that made it; a forked child makes its own.
class ResourceProbe {
 public:
  ResourceProbe() noexcept;
  ResourceProbe(const ResourceProbe&) = delete;
  ResourceProbe& operator=(const ResourceProbe&) = delete;
  ~ResourceProbe();

  /// CPU times and the peak from getrusage(), the resident set from /proc/self/statm. Where /proc is not mounted the
  /// peak stands in for the resident set. Any thread.
  [[nodiscard]] Resources read() noexcept;

 private:
  int statm_;  ///< File descriptor, or -1.
  /// The kernel counts the resident set by thread and in batches, so that one reading can exceed the peak of the next.
  std::atomic<std::uint64_t> peak_{0};
};

}  // namespace sluice
