// SPDX-License-Identifier: Apache-2.0
// The directives: their syntax, and the contexts in which they are allowed.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// The table for Apache, which ends with an entry without a name.
extern const command_rec kDirectives[];

/// The hook check_config: checks the references to process groups, which can be defined after their use.
int check_configuration(apr_pool_t* pool, apr_pool_t* log_pool, apr_pool_t* temporary_pool, server_rec* server);

}  // namespace sluice::apache
