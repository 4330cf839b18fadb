// SPDX-License-Identifier: Apache-2.0
#include "os/processes.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>
#include <string_view>

#include "os/timeval.hpp"
#include "sluice/units.hpp"

namespace sluice::inline v0_1::os {
namespace {

/// Numbers of fields of /proc/PID/stat, from 1 as in proc(5).
constexpr int kStateField = 3;
constexpr int kUserField = 14;
constexpr int kWaitedSystemField = 17;
constexpr int kThreadsField = 20;
constexpr int kResidentField = 24;

/// Returns the text of /proc/PID/stat, or nothing if it cannot be read, with errno set if it cannot be opened.
std::string_view read_stat(pid_t pid, std::array<char, 1024>& text) noexcept {
  std::array<char, 32> path{};
  constexpr std::string_view kBegin = "/proc/";
  constexpr std::string_view kEnd = "/stat";
  char* to = path.data();
  to = std::copy(kBegin.begin(), kBegin.end(), to);
  to = std::to_chars(to, path.data() + path.size(), pid).ptr;
  std::copy(kEnd.begin(), kEnd.end(), to);
  const int file = ::open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  const ssize_t length = ::read(file, text.data(), text.size());
  ::close(file);
  return {text.data(), length > 0 ? static_cast<std::size_t>(length) : 0};
}

/// Returns the CPU time of a process without its children; 0 if it has no clock. Every user may read the clock.
std::uint64_t cpu_clock_us(pid_t pid) noexcept {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
  return static_cast<std::uint64_t>(used.tv_sec) * kUsPerSecond + static_cast<std::uint64_t>(used.tv_nsec) / kNsPerUs;
}

}  // namespace

// The name of the process is in parentheses and may contain any bytes. The field of the state follows it.
std::optional<ProcessUsage> usage_in(std::string_view text) noexcept {
  static const auto tick_us = kUsPerSecond / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  static const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  ProcessUsage usage;
  text.remove_prefix(std::min(text.rfind(')') + 2, text.size()));
  for (int field = kStateField; field <= kResidentField && !text.empty(); ++field) {
    const std::size_t end = std::min(text.find(' '), text.size());
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + end, value);
    if (field >= kUserField && field <= kWaitedSystemField) usage.cpu_us += value * tick_us;
    if (field == kThreadsField && value == 0) return std::nullopt;
    if (field == kResidentField) usage.resident_bytes = value * page;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return usage;
}

absl::StatusOr<ProcessUsage> usage_of(pid_t pid) {
  std::array<char, 1024> text;
  errno = 0;
  const std::string_view stat = read_stat(pid, text);
  const int error = errno;
  std::optional<ProcessUsage> usage;
  if (!stat.empty()) {
    usage = usage_in(stat);
  } else if (error == EMFILE || error == ENFILE || error == ENOMEM) {
    return absl::ErrnoToStatus(error, "opening a file of /proc");
  } else if (process_exists(pid)) {
    usage = {.cpu_us = cpu_clock_us(pid)};
  }
  if (!usage) return absl::NotFoundError("no such process");
  return *usage;
}

pid_t own_pid() noexcept { return ::getpid(); }

bool process_exists(pid_t pid) noexcept { return ::kill(pid, 0) == 0 || errno == EPERM; }

std::uint64_t ended_children_cpu_us() noexcept {
  rusage usage{};
  ::getrusage(RUSAGE_CHILDREN, &usage);  // cannot fail for these arguments
  return microseconds_of(usage.ru_utime) + microseconds_of(usage.ru_stime);
}

}  // namespace sluice::os
