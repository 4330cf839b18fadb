// SPDX-License-Identifier: Apache-2.0
// A process that cannot serve answers the requests of its group with 503 for a while, so that they do not wait for a
// process that never comes, and the error log has one line for each of these times.
#pragma once

#include "absl/functional/function_ref.h"
#include "adapters/daemon/heartbeat.hpp"

namespace sluice::daemon {

/// Answers each request that arrives at `listener`, for a minute or until `ending` returns true: the server is to ask
/// another process, and once it has asked many for some time, the answer is 503. A `listener` of -1 only waits. Runs no
/// code of an application. `heartbeat` may be null.
void refuse_requests(int listener, Heartbeat* heartbeat, absl::FunctionRef<bool()> ending);

}  // namespace sluice::daemon
