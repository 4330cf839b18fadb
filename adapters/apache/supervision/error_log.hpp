// SPDX-License-Identifier: Apache-2.0
// Protection of the error log in a process whose application may close descriptors that it has not opened.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// Records the identity of the server's error log. Call it before code of an application runs.
void remember_error_log(const server_rec* server) noexcept;

/// Checks before each line that the descriptor of the log is still the recorded file, because the application may have
/// opened another file under its number. If it is not, the log is written to the standard error stream when that is the
/// same file, and otherwise dropped. Any thread may call it.
void keep_error_log(server_rec* server) noexcept;

}  // namespace sluice::apache
