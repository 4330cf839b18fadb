// SPDX-License-Identifier: Apache-2.0
// The log of a daemon process. The flags and the offset of an open file belong to all processes that have inherited it,
// so a process that kept the parent's could make the writes of the whole server fail, or overwrite what was written.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// Opens the file or pipe of a log again, so that this process shares its flags and its offset with no other, and puts
/// it in the place of `descriptor`. Leaves a terminal or a socket as it is. Logs a failure and leaves the descriptor.
/// Call it while the process has the privileges of the server.
void own_open_log(int descriptor, const server_rec* server) noexcept;

/// Makes the standard error stream the log, and the standard output too where that is a file or a pipe of the server.
/// With a negative `log`, as with syslog, puts /dev/null in the place of both where they are files or pipes. Keeps a
/// terminal for writing only. The standard input becomes /dev/null.
void give_standard_streams(int log) noexcept;

}  // namespace sluice::apache
