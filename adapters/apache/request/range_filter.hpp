// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "adapters/apache/server/server.hpp"

namespace sluice::apache {

/// Removes the server's own filter for ranges, so that the client gets the body as it is passed on.
void remove_range_filter(request_rec* request);

}  // namespace sluice::apache
