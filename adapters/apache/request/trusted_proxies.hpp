// SPDX-License-Identifier: Apache-2.0
// WSGITrustedProxies and WSGITrustedProxyHeaders: what a proxy says about its client replaces what the connection says.
#pragma once

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// Replaces variables by the trusted header fields of the request, when it comes from a trusted proxy. Removes the
/// other fields of the same meaning in any case, because clients can send them. Does nothing without
/// WSGITrustedProxyHeaders.
void apply_trusted_proxies(request_rec* request, const DirectoryConfig& config);

/// Returns the scheme that a trusted proxy reports for the request: true for https, or nothing when none does.
[[nodiscard]] std::optional<bool> https_by_proxy(const request_rec* request);

}  // namespace sluice::apache
