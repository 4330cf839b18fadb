// SPDX-License-Identifier: Apache-2.0
// sys.stdin and sys.stdout where the configuration forbids their use.
#pragma once

#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Returns an object whose use raises OSError, or null with an exception set. `name` has static storage.
[[nodiscard]] bindings::Object make_restricted_stream(const char* name);

}  // namespace sluice::wsgi
