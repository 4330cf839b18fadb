// SPDX-License-Identifier: Apache-2.0
// The options of WSGIDaemonProcess for one process group. Plain memory without owners, so that it can live where the
// configuration lives. Strings are null where the option is absent. Durations are seconds; 0 means no limit, except
// where a field says otherwise.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace sluice::daemon {

struct DaemonOptions {
  static constexpr int kGroupsMax = 128;            ///< Number of groups that serve requests.
  static constexpr std::size_t kNameBytesMax = 63;  ///< Length of the name of such a group.

  const char* name = nullptr;
  int processes = 1;
  bool processes_configured = false;  ///< The option is present, so wsgi.multiprocess is true whatever its value.
  int threads = 15;                   ///< Worker threads; 0 selects a service process, which serves no requests.

  static constexpr uid_t kServerUser = static_cast<uid_t>(-1);
  static constexpr gid_t kServerGroup = static_cast<gid_t>(-1);
  static constexpr uid_t kAnyUser = static_cast<uid_t>(-1);
  static constexpr gid_t kAnyGroup = static_cast<gid_t>(-1);

  const char* user = nullptr;                   ///< For initgroups(); null when the user is unknown.
  uid_t uid = kServerUser;                      ///< kServerUser until the server has read its own.
  gid_t gid = kServerGroup;                     ///< kServerGroup until the server has read its own.
  bool other_user = false;                      ///< The user is another than that of the server's own processes.
  const gid_t* supplementary_groups = nullptr;  ///< Group ids; null selects those that the user has in the system.
  int supplementary_group_count = 0;
  long umask = -1;             ///< File mode creation mask; -1 selects the server's.
  const char* home = nullptr;  ///< Working directory, and first directory of sys.path.
  const char* python_home = nullptr;
  const char* python_path = nullptr;
  const char* python_eggs = nullptr;  ///< Value of PYTHON_EGG_CACHE.
  double switch_interval = 0.0;       ///< Seconds; 0 selects the server's value.
  const char* lang = nullptr;
  const char* locale = nullptr;
  const char* display_name = nullptr;
  const char* script_user = nullptr;
  const char* script_group = nullptr;
  uid_t script_uid = kAnyUser;   ///< Id of script_user.
  gid_t script_gid = kAnyGroup;  ///< Id of script_group.

  int listen_backlog = 100;
  int send_buffer_size = 0;
  int receive_buffer_size = 0;
  int stack_size = 0;
  uid_t socket_user = kServerUser;  ///< Owner of the socket; kServerUser selects that of the server's own processes.

  int cpu_priority = 0;                   ///< Priority as nice(1) takes it.
  std::int64_t memory_limit = 0;          ///< Bytes of data; 0 for no limit.
  std::int64_t virtual_memory_limit = 0;  ///< Bytes of address space; 0 for no limit.

  int connect_timeout = 15;  ///< 0 if a request does not wait for space in the backlog.
  int queue_timeout = 0;
  int socket_timeout = 0;           ///< 0 selects the server's Timeout.
  int exchange_timeout = 0;         ///< 0 until default_exchange_timeout() has set it.
  int response_socket_timeout = 0;  ///< 0 keeps the server's Timeout.
  int response_flush_delay = 5;     ///< Milliseconds.
  int request_timeout = 0;
  int interrupt_timeout = 0;  ///< 0 if a request that exceeds its time is not interrupted.
  int cpu_time_limit = 0;
  int inactivity_timeout = 0;
  int startup_timeout = 0;
  int graceful_timeout = 15;
  int eviction_timeout = 0;  ///< 0 selects graceful_timeout.
  int shutdown_timeout = 5;
  int deadlock_timeout = 300;
  int restart_interval = 0;
  int maximum_requests = 0;
  bool server_metrics = false;

  [[nodiscard]] bool serves() const noexcept { return threads > 0; }
};

}  // namespace sluice::daemon
