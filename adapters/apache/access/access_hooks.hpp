// SPDX-License-Identifier: Apache-2.0
// Authentication, group membership and access of clients, decided by scripts: WSGIAuthUserScript, WSGIAuthGroupScript
// and WSGIAccessScript.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// Registers the provider `wsgi` of Basic and Digest authentication, the provider of `Require wsgi-group`, and the hook
/// access_checker. Where no such directive applies, the hook reads one pointer.
void add_access_hooks(apr_pool_t* pool);

}  // namespace sluice::apache
