// SPDX-License-Identifier: Apache-2.0
// Lines about a configuration that is accepted although a part of it has no effect; they are logged once at each start.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// Keeps a line. It is part of the line SLC0900 and begins with the directive or option that it is about. Does nothing
/// for a directive of an .htaccess file, which is read while requests are served, by many threads and again and again.
void add_note(const char* text);

/// Logs the notes: to the console when Apache only checks its configuration, which ends before post_config.
void log_notes_of_check();

/// The hook post_config: logs the notes, but not for the first reading of a start.
int log_notes(apr_pool_t* pool, apr_pool_t* log_pool, apr_pool_t* temporary_pool, server_rec* server);

}  // namespace sluice::apache
