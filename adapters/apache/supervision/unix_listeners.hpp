// SPDX-License-Identifier: Apache-2.0
// Unix sockets at which the server listens, as records in Apache's list of listeners.
//
// A graceful restart keeps a socket: each generation has a duplicate of its descriptor, so that no connection is
// refused meanwhile. Apache closes the descriptors as it closes those of Listen, for a graceful stop too.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// The hook open_logs. It has to come before that of the MPM, which counts the listeners and closes those of the
/// previous generation. Opens or keeps the sockets of the configuration, and removes the others. A server that binds
/// each listener more than once cannot have a Unix socket and does not start.
int open_unix_listeners(apr_pool_t* pool, apr_pool_t* log_pool, apr_pool_t* temporary, server_rec* server);

/// The hook post_config: frees the records of the previous generation, which the MPM has closed by then.
int release_previous_listeners(apr_pool_t* pool, apr_pool_t* log_pool, apr_pool_t* temporary, server_rec* server);

/// The hook create_connection, before that of the core. Gives a connection of a Unix socket the addresses of the
/// loopback interface: access rules, logs, virtual hosts and modules know no others than those of IP. The port of the
/// client is 0, that of the server 80. It creates no connection itself.
conn_rec* name_unix_client(apr_pool_t* pool, server_rec* server, apr_socket_t* socket, long id, void* scoreboard,
                           apr_bucket_alloc_t* buckets);

}  // namespace sluice::apache
