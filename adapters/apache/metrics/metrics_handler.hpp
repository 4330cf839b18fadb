// The handler `sluice-metrics`: what all processes of the server have counted, as text. Knows nothing of Python, so
// that it answers whatever applications do.
#pragma once

#include "adapters/apache/server.hpp"

namespace sluice::apache {

/// The hook handler.
int handle_metrics(request_rec* request) noexcept;

}  // namespace sluice::apache
