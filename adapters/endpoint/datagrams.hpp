// SPDX-License-Identifier: Apache-2.0
// Sends each message of a batch as a datagram, to an address of UDP or to a Unix socket.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "push_loop.hpp"
#include "sluice/push.hpp"

namespace sluice::inline v0_1::endpoint {

/// Returns the transport. \return As push_statsd().
[[nodiscard]] absl::StatusOr<std::unique_ptr<Transport>> datagram_transport(const StatsdPushOptions& options);

}  // namespace sluice::endpoint
