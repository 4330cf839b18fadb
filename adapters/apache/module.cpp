// SPDX-License-Identifier: Apache-2.0
// The module record and the hooks.

// This header comes first, because Apache's own headers need it.
#include "adapters/apache/server/server.hpp"

#include <http_connection.h>
#include <mpm_common.h>

#include "adapters/apache/access/access_hooks.hpp"
#include "adapters/apache/config/config.hpp"
#include "adapters/apache/config/directives.hpp"
#include "adapters/apache/config/notes.hpp"
#include "adapters/apache/metrics/metrics_handler.hpp"
#include "adapters/apache/metrics/status_section.hpp"
#include "adapters/apache/request/alias_translation.hpp"
#include "adapters/apache/request/child.hpp"
#include "adapters/apache/request/handler.hpp"
#include "adapters/apache/supervision/daemons.hpp"
#include "adapters/apache/supervision/process_registry.hpp"
#include "adapters/apache/supervision/unix_listeners.hpp"

namespace sluice::apache {
namespace {

int begin_configuration(apr_pool_t* pool, apr_pool_t*, apr_pool_t*) {
  reset_process_config(pool);
  return OK;
}

int name_in_server_header(apr_pool_t* pool, apr_pool_t*, apr_pool_t*, server_rec*) {
  ap_add_version_component(pool, "Sluice/" SLUICE_VERSION);
  return OK;
}

void register_hooks(apr_pool_t* pool) {
  // mod_alias comes first, and the modules that map the remaining URLs come after.
  static const char* const before[] = {"mod_alias.c", nullptr};
  static const char* const after[] = {"mod_userdir.c", "mod_vhost_alias.c", nullptr};
  ap_hook_pre_config(begin_configuration, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_check_config(check_configuration, nullptr, nullptr, APR_HOOK_MIDDLE);
  static const char* const mpms[] = {"event.c", "worker.c", "prefork.c", "core.c", nullptr};
  ap_hook_open_logs(open_unix_listeners, nullptr, mpms, APR_HOOK_REALLY_FIRST);
  ap_hook_post_config(release_previous_listeners, nullptr, nullptr, APR_HOOK_FIRST);
  ap_hook_create_connection(name_unix_client, nullptr, nullptr, APR_HOOK_FIRST);
  ap_hook_post_config(log_notes, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_post_config(name_in_server_header, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_post_config(prepare_registry, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_post_config(prepare_daemons, nullptr, nullptr, APR_HOOK_LAST);
  ap_hook_pre_mpm(start_daemons, nullptr, nullptr, APR_HOOK_LAST);
  ap_hook_monitor(look_after_daemons, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_monitor(maintain_registry, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_child_status(note_child, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_child_init(isolate_child, nullptr, nullptr, APR_HOOK_REALLY_FIRST);
  ap_hook_child_init(start_child, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_process_connection(enter_connection, nullptr, nullptr, APR_HOOK_FIRST);
  ap_hook_translate_name(translate_alias, before, after, APR_HOOK_MIDDLE);
  ap_hook_handler(handle_request, nullptr, nullptr, APR_HOOK_MIDDLE);
  ap_hook_handler(handle_metrics, nullptr, nullptr, APR_HOOK_MIDDLE);
  add_access_hooks(pool);
  add_status_section();
}

}  // namespace
}  // namespace sluice::apache

extern "C" {
module AP_MODULE_DECLARE_DATA wsgi_module = {
    MODULE_MAGIC_NUMBER_MAJOR,
    MODULE_MAGIC_NUMBER_MINOR,
    -1,
    "mod_wsgi.c",  // the name in <IfModule>
    nullptr,
    nullptr,
    MODULE_MAGIC_COOKIE,
    nullptr,
    sluice::apache::create_directory_config,
    sluice::apache::merge_directory_config,
    sluice::apache::create_server_config,
    sluice::apache::merge_server_config,
    sluice::apache::kDirectives,
    sluice::apache::register_hooks,
    AP_MODULE_FLAG_NONE,
};
}
