// SPDX-License-Identifier: Apache-2.0
// Unix sockets as files: their mode, their owner, and the directory that they are in.
#pragma once

#include <sys/types.h>

#include <string>

namespace sluice::apache {

/// Returns true when only root can replace a socket at this path, in its directory or in one above, and when the server
/// does not run as root.
[[nodiscard]] bool directory_is_safe(const std::string& path);

/// Creates a socket and binds it to a path, where no file may be. The file has the mode from the beginning. Returns -1
/// on an error, with errno set.
[[nodiscard]] int bind_socket(const char* path, mode_t mode) noexcept;

/// Changes the owner and the group of a new socket; -1 keeps one. Others may have replaced the file if they can write
/// to the directory, so only a socket of this user with a single name is changed. Returns false on an error, with
/// errno set.
[[nodiscard]] bool give_socket(const char* path, uid_t owner, gid_t group) noexcept;

}  // namespace sluice::apache
