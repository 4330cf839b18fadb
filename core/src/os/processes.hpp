// Other processes: whether they live, what they use, and what those used that have ended.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::os {

struct ProcessUsage {
  std::uint64_t cpu_us = 0;  ///< Of the process and of those of its children that it has waited for; in clock ticks.
  std::uint64_t resident_bytes = 0;
};

/// From /proc; none if there is no such process. Zeros where the system shows it to its owner only, or not at all.
[[nodiscard]] std::optional<ProcessUsage> usage_of(pid_t pid) noexcept;

/// The same from the text of /proc/PID/stat. A process that has been waited for and is just being forgotten may still
/// be shown, without threads and with all else 0: there is no such process any more.
[[nodiscard]] std::optional<ProcessUsage> usage_in(std::string_view text) noexcept;

[[nodiscard]] pid_t own_pid() noexcept;

/// Whether there is such a process, one that has ended and not been waited for included.
[[nodiscard]] bool process_exists(pid_t pid) noexcept;

/// CPU time of all children that this process has waited for, and of those that they had waited for.
[[nodiscard]] std::uint64_t ended_children_cpu_us() noexcept;

}  // namespace sluice::os
