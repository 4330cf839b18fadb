// SPDX-License-Identifier: Apache-2.0
// The slow requests in flight of all processes, for the JSON of the metrics endpoint.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/registry.hpp"

namespace sluice::apache {

/// Returns the member `,"slow_requests":[...]`: the oldest requests in flight that are at least `age_ns` old, oldest
/// first, a hundred at most. Each group has an equal share of the hundred, and what a group does not use is for the
/// others, so that a group cannot hide the requests of another. What a process tells of its requests is not trusted:
/// texts are escaped and of bounded length, and no request is older than its process plus a minute in the queue of the
/// server.
/// \throws std::bad_alloc
[[nodiscard]] std::string listed_requests(const ServerReading& reading, std::uint64_t age_ns, std::uint64_t now_ns);

}  // namespace sluice::apache
