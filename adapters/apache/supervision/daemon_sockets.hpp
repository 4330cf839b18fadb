// SPDX-License-Identifier: Apache-2.0
// The listening sockets of daemon process groups. The server's parent keeps them through restarts, so that no
// connection is refused and connections in a backlog are served by the next process.
#pragma once

#include <sys/un.h>

#include <string>

#include "adapters/apache/server/server.hpp"
#include "adapters/daemon/authentication.hpp"
#include "adapters/daemon/daemon_options.hpp"

namespace sluice::apache {

/// Plain memory of the process, which outlives a reading of the configuration, and the module itself, which a restart
/// unloads. All zeros is an empty table. Only the parent changes it.
class DaemonSockets {
 public:
  /// Begins a configuration: marks all sockets as unused.
  void begin_use() noexcept;

  /// Marks the socket of a group as used, if there is one that the configuration can go on with.
  void keep(const daemon::DaemonOptions& options, apr_pool_t* pool);

  /// Closes and removes the sockets that are not marked. Call it before use(), so that there is room for new sockets.
  void close_unused() noexcept;

  /// Creates the socket of a group when there is none, and draws a key for this configuration. Returns its path; null
  /// after an error, which has been logged.
  [[nodiscard]] const char* use(const daemon::DaemonOptions& options, apr_pool_t* pool, server_rec* server);

  void close_all() noexcept;

  /// Returns the descriptor of the socket of a group; -1 when the group has no socket.
  [[nodiscard]] int descriptor_of(const char* group) const noexcept;

  /// Undoes changes that a process of the group may have made to the shared socket, before another process starts. A
  /// socket that was shut down, or whose file was removed, is created again at the same path. Errors are logged.
  /// Returns true when running processes of the group listen at a socket that nobody can reach any more.
  [[nodiscard]] bool repair(const daemon::DaemonOptions& options, server_rec* server);

  /// Returns true when another program has removed or replaced the file of the socket of a group.
  [[nodiscard]] bool is_gone(const char* group) const noexcept;

  /// In a process of the group: closes the sockets of all other groups, and overwrites their keys. Removes no file.
  void keep_only(const char* group) noexcept;

  /// In a serving process, which connects to the sockets: closes all descriptors, and keeps paths and keys.
  void close_descriptors() noexcept;

  /// Returns the keys of a group; null when the group has no socket. The address is valid until the next
  /// close_unused().
  [[nodiscard]] const daemon::KeyRing* keys_of(const char* group) const noexcept;

 private:
  static constexpr int kSockets = daemon::DaemonOptions::kGroupsMax;

  struct Socket {
    char group[daemon::DaemonOptions::kNameBytesMax + 1];
    char path[sizeof(sockaddr_un::sun_path)];
    int descriptor;
    dev_t device;  ///< Device and inode of the file at the path.
    ino_t inode;
    uid_t user;  ///< User and group of the processes that have had the descriptor and the keys.
    gid_t user_group;
    uid_t owner;  ///< The user who may connect.
    daemon::KeyRing keys;
    bool used;  ///< The configuration that was read last uses the socket.
  };

  [[nodiscard]] Socket* find(const char* group) noexcept;
  [[nodiscard]] const char* reuse(Socket& socket, const daemon::DaemonOptions& options, server_rec* server);
  [[nodiscard]] const char* create(const daemon::DaemonOptions& options, apr_pool_t* pool, server_rec* server);
  /// Adds an entry without keys. The table must have room for it.
  Socket& add(const daemon::DaemonOptions& options, const std::string& path, int descriptor) noexcept;
  static void remember_file(Socket& socket) noexcept;
  /// Creates the socket again at its path. Returns false after an error, which has been logged.
  [[nodiscard]] bool create_again(Socket& socket, const daemon::DaemonOptions& options, server_rec* server);
  /// Closes a socket and overwrites its entry in the table.
  void forget(Socket& socket) noexcept;
  /// Closes a socket as forget() does, and removes its file.
  void close(Socket& socket) noexcept;

  Socket sockets_[kSockets];
  int count_;
  int paths_made_;
};

}  // namespace sluice::apache
