// The listening sockets of daemon process groups. They belong to the server's parent and stay through restarts, so that
// nobody who connects is refused and what waits in a backlog is served by the next process.
#pragma once

#include <sys/un.h>

#include "adapters/apache/server.hpp"
#include "adapters/daemon/authentication.hpp"
#include "adapters/daemon/daemon_options.hpp"

namespace sluice::apache {

/// Plain memory of the process: it outlives a reading of the configuration, and the module itself, which a restart
/// unloads. All zeros is a table without sockets. Only the parent changes it.
class DaemonSockets {
 public:
  /// A new configuration begins to say what it uses.
  void begin_use() noexcept;

  /// The path of the group's socket, which is made if there is none. Draws a key of the group for this configuration.
  /// Null after an error, which has been logged.
  [[nodiscard]] const char* use(const daemon::DaemonOptions& options, apr_pool_t* pool, server_rec* server);

  /// Closes and removes what the new configuration has not asked for.
  void close_unused() noexcept;
  void close_all() noexcept;

  /// -1 if the group has no socket.
  [[nodiscard]] int descriptor_of(const char* group) const noexcept;

  /// Before a process of the group starts: undoes what another of the group may have done to the socket that they
  /// share. One that was shut down is made anew, at the same path. An error is logged.
  void repair(const daemon::DaemonOptions& options, server_rec* server);

  /// In a process of the group: closes the sockets of all other groups, and forgets their keys. Removes no file.
  void keep_only(const char* group) noexcept;

  /// In a process of the server that is to connect to the sockets: closes them all, and keeps the rest.
  void close_descriptors() noexcept;

  /// The keys of the group, at an address that holds until the next close_unused(); null if the group has no socket.
  [[nodiscard]] const daemon::KeyRing* keys_of(const char* group) const noexcept;

 private:
  static constexpr int kSockets = 128;

  struct Socket {
    char group[64];
    char path[sizeof(sockaddr_un::sun_path)];
    int descriptor;
    uid_t user;  ///< User and group of the processes that have had the descriptor and the keys.
    gid_t user_group;
    daemon::KeyRing keys;
    bool used;  ///< By the configuration that was read last.
  };

  [[nodiscard]] Socket* find(const char* group) noexcept;
  /// Closes a socket and takes it out of the table, where nothing of it stays.
  void forget(Socket& socket) noexcept;
  /// The same, and removes its file.
  void close(Socket& socket) noexcept;

  Socket sockets_[kSockets];
  int count_;
  int paths_made_;
};

}  // namespace sluice::apache
