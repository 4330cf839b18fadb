// SPDX-License-Identifier: Apache-2.0
// The directives about what goes between client, server and application.
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// WSGITrustedProxies ADDRESS|NETWORK ...
const char* trusted_proxies(cmd_parms* cmd, void* config, const char* line);

/// WSGITrustedProxyHeaders FIELD ...
const char* trusted_proxy_headers(cmd_parms* cmd, void* config, const char* line);

}  // namespace sluice::apache
