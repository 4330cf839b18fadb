// SPDX-License-Identifier: Apache-2.0
// Apache's headers for C++, and the names of this module and its handlers.
#pragma once

// This header comes first, because the others need it.
#include <httpd.h>

#include <apr_strings.h>
#include <apr_tables.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>

extern "C" {
/// Configurations say `LoadModule wsgi_module` and `<IfModule mod_wsgi.c>`, for this module as for the one it replaces.
extern __attribute__((visibility("default"))) module AP_MODULE_DECLARE_DATA wsgi_module;
}

APLOG_USE_MODULE(wsgi);

namespace sluice::apache {

inline constexpr const char* kHandlerName = "wsgi-script";
/// The type by which AddType selects the handler of scripts.
inline constexpr const char* kHandlerType = "application/x-httpd-wsgi";
inline constexpr const char* kMetricsHandlerName = "sluice-metrics";

}  // namespace sluice::apache
