// The directives: their syntax, and where they are allowed.
#pragma once

#include "adapters/apache/server.hpp"

namespace sluice::apache {

/// Ends with an entry without a name.
extern const command_rec directives[];

/// The hook check_config: what can be known only when all of the configuration has been read.
int check_configuration(apr_pool_t* pool, apr_pool_t* log_pool, apr_pool_t* temporary_pool, server_rec* server);

}  // namespace sluice::apache
