// The error log of a process whose application may close descriptors that are not its own.
#pragma once

#include "adapters/apache/server.hpp"

namespace sluice::apache {

/// Remembers which file the server's error log is. When the process begins, before code of an application runs.
void remember_error_log(const server_rec* server) noexcept;

/// Before each line: looks whether the log's descriptor is still that file, because a line must not go into what an
/// application has opened under its number. If it is not, the log is written through the standard error stream from now
/// on where that is the same file, else not at all. Any thread.
void keep_error_log(server_rec* server) noexcept;

}  // namespace sluice::apache
