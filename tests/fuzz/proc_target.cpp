// SPDX-License-Identifier: Apache-2.0
// Fuzzes the parser of /proc/PID/stat, with any bytes, and with lines that the target wrote and understands.
#include <unistd.h>

#include <array>
#include <string>

#include "os/processes.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using sluice::fuzz::Input;
using sluice::fuzz::require;
using sluice::os::usage_in;

constexpr std::size_t kFields = 52;
constexpr std::size_t kUser = 14;
constexpr std::size_t kWaitedSystem = 17;
constexpr std::size_t kThreads = 20;
constexpr std::size_t kResident = 24;

/// Returns the name of a process: any bytes but 0, including parentheses, spaces and line ends.
std::string name_of(Input& input) {
  std::string name = input.text(64);
  for (char& byte : name) byte = byte == '\0' ? ' ' : byte;
  return name;
}

void check_written_line(Input& input) {
  std::string line = std::to_string(input.integer(4)) + " (" + name_of(input) + ") S";
  std::array<std::uint64_t, kFields + 1> values{};
  for (std::size_t field = 4; field <= kFields; ++field) {
    const bool negative = field < kUser && input.flag();
    values[field] = input.number() % (std::uint64_t{1} << 40);
    line += (negative ? " -" : " ") + std::to_string(values[field]);
  }
  const auto usage = usage_in(line + "\n");
  require(usage.has_value() == (values[kThreads] != 0), "a process without threads has ended", line);
  if (!usage) return;
  const auto tick_us = 1'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  std::uint64_t ticks = 0;
  for (std::size_t field = kUser; field <= kWaitedSystem; ++field) ticks += values[field];
  require(usage->cpu_us == ticks * tick_us, "the CPU time is that of fields 14 to 17", line);
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  require(usage->resident_bytes == values[kResident] * page, "the memory is that of field 24", line);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  if (input.flag()) {
    check_written_line(input);
  } else {
    // A copy of exactly this size, so that AddressSanitizer sees a read behind it.
    const std::string text(input.rest());
    (void)usage_in(text);
  }
  return 0;
}
