// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/notes.hpp"

#include <ap_mpm.h>

#include "adapters/apache/config/config.hpp"

namespace sluice::apache {
namespace {

void log_all(const server_rec* server) {
  const apr_array_header_t* const notes = process_config().notes;
  for (int i = 0; i < notes->nelts; ++i) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server, "SLC0900: the configuration is accepted, but %s",
                 reinterpret_cast<const char* const*>(notes->elts)[i]);
  }
}

}  // namespace

void add_note(const char* text) {
  if (process_config().notes != nullptr) *static_cast<const char**>(apr_array_push(process_config().notes)) = text;
}

void log_notes_of_check() {
  if (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST) log_all(nullptr);
}

int log_notes(apr_pool_t*, apr_pool_t*, apr_pool_t*, server_rec* server) {
  if (ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_PRE_CONFIG) log_all(server);
  process_config().notes = nullptr;  // the configuration has been read, so what comes now is of .htaccess files
  return OK;
}

}  // namespace sluice::apache
