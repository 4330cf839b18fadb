// SPDX-License-Identifier: Apache-2.0
// Other processes: whether they exist, what they use, and what ended children used.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"

namespace sluice::inline v0_1::os {

/// Resources that a process uses.
struct ProcessUsage {
  /// CPU time of the process and of the children that it has waited for, in microseconds. The kernel counts it in clock
  /// ticks, usually of 10 ms.
  std::uint64_t cpu_us = 0;
  std::uint64_t resident_bytes = 0;  ///< Resident memory.
};

/// Returns the usage of a process from /proc. If the system does not show it to this user, only the CPU time of the
/// process itself is known.
/// \return NotFound if there is no such process; otherwise, if no descriptor or memory is left to look, the code that
///         absl::ErrnoToStatus() gives the error.
[[nodiscard]] absl::StatusOr<ProcessUsage> usage_of(pid_t pid);

/// Parses the text of /proc/PID/stat. Returns nothing for a process without threads: it has been waited for, and the
/// kernel is about to remove it.
[[nodiscard]] std::optional<ProcessUsage> usage_in(std::string_view text) noexcept;

/// Returns the id of this process.
[[nodiscard]] pid_t own_pid() noexcept;

/// Returns true if the process exists. A process that has ended and has not been waited for still does.
[[nodiscard]] bool process_exists(pid_t pid) noexcept;

/// Returns the CPU time of all children that this process has waited for, and of those that they had waited for, in
/// microseconds.
[[nodiscard]] std::uint64_t ended_children_cpu_us() noexcept;

}  // namespace sluice::os
