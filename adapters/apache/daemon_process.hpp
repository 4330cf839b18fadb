// A daemon process from its fork to the moment when nothing of the server is left in it that it does not need.
#pragma once

#include <sys/types.h>

#include <optional>

#include "adapters/apache/config.hpp"
#include "adapters/apache/daemon_sockets.hpp"
#include "adapters/daemon/heartbeat.hpp"
#include "sluice/registry.hpp"

namespace sluice::apache {

/// The decisions of the parent before the fork.
struct DaemonFork {
  const DaemonGroup& group;
  server_rec* server;
  pid_t parent;
  DaemonSockets& sockets;                ///< Sockets and keys of all groups.
  daemon::Heartbeat* heartbeat;          ///< Null: there was no memory for it.
  std::optional<Registry::SlotId> slot;  ///< Slot of the registry in which it records; none: it is not counted.
  unsigned pause_seconds;                ///< How long it waits before it starts.
};

/// Turns a forked copy of the parent into a daemon process. On an error, which is logged, the process ends.
[[noreturn]] void become_daemon(const DaemonFork& fork) noexcept;

}  // namespace sluice::apache
