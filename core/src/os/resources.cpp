// SPDX-License-Identifier: Apache-2.0
#include "sluice/resources.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "os/timeval.hpp"

namespace sluice::inline v0_1 {
namespace {

/// Returns the resident set, the second field of statm in pages; 0 if it cannot be read.
std::uint64_t resident_bytes(int statm) noexcept {
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::array<char, 128> text;
  const ssize_t length = statm < 0 ? -1 : ::pread(statm, text.data(), text.size(), 0);
  if (length <= 0) return 0;
  const std::string_view fields(text.data(), static_cast<std::size_t>(length));
  const std::size_t space = fields.find(' ');
  if (space == std::string_view::npos) return 0;
  std::uint64_t pages = 0;
  std::from_chars(fields.data() + space + 1, fields.data() + fields.size(), pages);
  return pages * page;
}

}  // namespace

ResourceProbe::ResourceProbe() noexcept : statm_(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC)) {}

ResourceProbe::~ResourceProbe() {
  if (statm_ >= 0) ::close(statm_);
}

Resources ResourceProbe::read() noexcept {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);  // cannot fail for these arguments
  const std::uint64_t resident = resident_bytes(statm_);
  const std::uint64_t seen = std::max(resident, static_cast<std::uint64_t>(usage.ru_maxrss) * 1024);
  std::uint64_t peak = peak_.load(std::memory_order_relaxed);  // a maximum, which orders nothing
  while (peak < seen && !peak_.compare_exchange_weak(peak, seen, std::memory_order_relaxed)) {
  }
  peak = std::max(peak, seen);
  return {.cpu_user_us = os::microseconds_of(usage.ru_utime),
          .cpu_system_us = os::microseconds_of(usage.ru_stime),
          .memory_rss = resident != 0 ? resident : peak,
          .memory_max_rss = peak};
}

ThreadCpu thread_cpu() noexcept {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);  // cannot fail for these arguments
  return {.user_us = os::microseconds_of(usage.ru_utime), .system_us = os::microseconds_of(usage.ru_stime)};
}

}  // namespace sluice
