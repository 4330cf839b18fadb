// A daemon process from its fork to the moment when nothing of the server is left in it that it does not need.
#pragma once

#include <sys/types.h>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/supervision/daemon_sockets.hpp"
#include "adapters/daemon/heartbeat.hpp"

namespace sluice::apache {

/// The decisions of the parent before the fork.
struct DaemonFork {
  const DaemonGroup& group;
  server_rec* server;
  pid_t parent;
  DaemonSockets& sockets;        ///< Sockets and keys of all groups.
  daemon::Heartbeat* heartbeat;  ///< Null: there was no memory for it.
  int slot;                      ///< The slot of the registry in which it records.
  unsigned pause_seconds;        ///< How long it waits before it starts.
};

/// Turns a forked copy of the parent into a daemon process. On an error, which is logged, the process ends.
[[noreturn]] void become_daemon(const DaemonFork& fork) noexcept;

}  // namespace sluice::apache
