// SPDX-License-Identifier: Apache-2.0
// WSGIDispatchScript: a script that chooses the groups and the callable of a request.
#pragma once

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/request/target.hpp"

namespace sluice::apache {

/// Lets the script replace the groups and the callable of `target`. The variables of the request are set. Returns OK,
/// or the status of a request that cannot be served, because nothing else may choose the process that serves it.
[[nodiscard]] int run_dispatch_script(request_rec* request, const ScriptFile& file, Target& target);

}  // namespace sluice::apache
