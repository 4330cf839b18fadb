// SPDX-License-Identifier: Apache-2.0
// Isolation of a daemon process after its fork, before it runs code of an application: the process releases everything
// that it inherited from the server and does not need, because the application could use it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice::daemon {

/// Closes all descriptors of this process except `kept`, which may be in any order. Numbers below 0 are ignored.
void close_descriptors_but(std::vector<int> kept);

/// Gives up the terminal of the session, if the server was started at one and has not left it. Otherwise a process of
/// any user could read what is typed there, and type commands itself. Not for the leader of the session.
void leave_terminal() noexcept;

/// Gives up the session keyring of the kernel, which root's login may have filled: whoever inherits it can read the
/// keys in it, also after a change of user. The process gets an empty one. Not for a server without root, whose
/// processes are all of one user, who may mean the keys for them.
void leave_keyring() noexcept;

/// A mapping of this process, as /proc/self/maps lists it.
struct Mapping {
  std::byte* begin = nullptr;
  std::byte* end = nullptr;
  std::size_t file_offset = 0;
};

/// Returns the mapping that contains an address. NotFound when there is none, Unavailable without /proc.
[[nodiscard]] absl::StatusOr<Mapping> find_mapping(const void* address);

/// Unmaps the memory that this process shares with others and can write, now or after mprotect(): the server's
/// scoreboard, caches of TLS sessions, and other memory of its modules. Keeps the mappings that begin at an address in
/// `kept`. After an error some mappings are still there, and the process must not continue.
[[nodiscard]] absl::Status unmap_shared_but(std::span<const void* const> kept);

/// Replaces the mapping that contains an address with one that this process can never write: the mapping of a
/// descriptor that is opened for reading, which takes the rights of root. A process without these rights uses
/// mprotect(), which the application could undo. That is no loss, because all processes of a server without root belong
/// to one user. An error leaves the mapping as it was.
[[nodiscard]] absl::Status make_read_only(const void* address);

}  // namespace sluice::daemon
