// SPDX-License-Identifier: Apache-2.0
// The datagrams for a window, a slow request, and the start and end of a process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/telemetry/collections.hpp"
#include "adapters/telemetry/datagram.hpp"
#include "adapters/wsgi/schema/slow_requests.hpp"
#include "sluice/window.hpp"

namespace sluice::telemetry {

/// The identity of a process. Empty texts and 0 mean unknown.
struct Identity {
  std::string module_version;
  std::string python_version;
  std::string server_version;
  std::string mpm_name;
  std::string hostname;
  std::string process_group;  ///< Empty for the server's own processes.
  std::uint32_t pid = 0;
  std::uint32_t parent_pid = 0;
  double switch_interval = 0.0;  ///< Python's thread switch interval in seconds.
};

struct Intervals {
  double interval = 1.0;        ///< Seconds between samples.
  double slow_threshold = 0.0;  ///< Seconds; 0 when slow requests are not configured.
};

/// Longest list by thread in a datagram, which keeps it well below the limit of a Unix socket.
inline constexpr std::size_t kListedThreads = 1024;

[[nodiscard]] Datagram process_started(const Identity& identity, const Datagram::Header& header);
[[nodiscard]] Datagram request_metrics(const Identity& identity, const Intervals& intervals, const Window& window,
                                       std::uint32_t sequence);
/// The state of the garbage collectors of a process, and one collection. `dropped` is the number of collections since
/// the last snapshot that have no datagram.
[[nodiscard]] Datagram collection_snapshot(const CollectionCounters& counters, std::uint64_t dropped,
                                           const Datagram::Header& header);
[[nodiscard]] Datagram collection_event(const CollectionEvent& event, const Datagram::Header& header);
[[nodiscard]] Datagram slow_request(const wsgi::SlowRequest& request, const Datagram::Header& header);

/// The end of a process.
struct End {
  std::string_view reason;
  std::uint64_t active_requests = 0;
};

[[nodiscard]] Datagram process_stopping(const Identity& identity, const Datagram::Header& header, const End& end);

/// Totals of a process at its end.
struct Life {
  double uptime = 0.0;  ///< Seconds.
  std::uint64_t request_count = 0;
  bool graceful = true;  ///< No request was in flight at the end.
};

[[nodiscard]] Datagram process_stopped(const Identity& identity, const Datagram::Header& header, const End& end,
                                       const Life& life);

}  // namespace sluice::telemetry
