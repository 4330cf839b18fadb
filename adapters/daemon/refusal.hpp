// SPDX-License-Identifier: Apache-2.0
// A process that cannot serve answers the requests of its group with 503 for a while, so that they do not wait for a
// process that never comes, and the error log has one line for each of these times.
#pragma once

#include "absl/functional/function_ref.h"
#include "adapters/daemon/heartbeat.hpp"

namespace sluice::daemon {

/// Answers each request that arrives at `listener` with 503, for a minute or until `ending` returns true. A `listener`
/// of -1 only waits. Runs no code of an application, and decodes nothing of a request. `heartbeat` may be null.
void refuse_requests(int listener, Heartbeat* heartbeat, absl::FunctionRef<bool()> ending);

}  // namespace sluice::daemon
