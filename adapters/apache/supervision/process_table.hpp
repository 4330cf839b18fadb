// SPDX-License-Identifier: Apache-2.0
// The daemon processes that are alive, as the server's parent keeps them: the table outlives a reading of the
// configuration, and the module itself, which a restart unloads.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>

#include "adapters/daemon/heartbeat.hpp"

namespace sluice::apache {

/// One daemon process. All zeros is a free entry.
struct ProcessEntry {
  char group[64];
  pid_t pid;                 ///< 0 when the entry is free.
  bool previous_generation;  ///< A reading of the configuration before the current one started the process.
  int deadlock_timeout;
  std::uint64_t end_by_ns;       ///< When a process of a previous generation is to have ended; 0: it may take any time.
  daemon::Heartbeat* heartbeat;  ///< Null when there was no memory for it.
  daemon::StallDetector stall;
  /// Exit code with which the handler of SIGCHLD has waited for the process; 0 when it has not. From then on the kernel
  /// may give the process id to another process, so nothing is done by it.
  volatile sig_atomic_t reaped_code;

  /// Returns true when the handler of SIGCHLD has waited for the process, whose entry is to be released.
  [[nodiscard]] bool reaped() const noexcept { return pid != 0 && reaped_code != 0; }
};

/// Plain memory of the process; all zeros is an empty table. Only the parent uses it, on one thread and in its handler
/// of SIGCHLD, which is blocked while an entry is filled or its process id is used.
struct ProcessTable {
  static constexpr int kEntries = 2048;
  static constexpr int kNoEntry = -1;

  ProcessEntry entries[kEntries];

  /// Returns the index of a free entry, or kNoEntry when the table is full.
  [[nodiscard]] int find_free() const noexcept;

  /// Returns the entry with this index; null for kNoEntry.
  [[nodiscard]] ProcessEntry* at(int index) noexcept { return index != kNoEntry ? &entries[index] : nullptr; }
};

/// Frees an entry and unmaps its heartbeat.
void clear(ProcessEntry& entry) noexcept;

}  // namespace sluice::apache
