// What a window, a slow request and the life of a process are as datagrams.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/telemetry/datagram.hpp"
#include "sluice/slow_requests.hpp"
#include "sluice/window.hpp"

namespace sluice::telemetry {

/// What a process tells of itself. Empty texts and 0 are unknown.
struct Identity {
  std::string module_version;
  std::string python_version;
  std::string server_version;
  std::string mpm_name;
  std::string hostname;
  std::string process_group;  ///< Empty: one of the server's own processes.
  std::uint32_t pid = 0;
  std::uint32_t parent_pid = 0;
  double switch_interval = 0.0;  ///< Python's, in seconds.
};

struct Intervals {
  double interval = 1.0;        ///< Seconds between samples.
  double slow_threshold = 0.0;  ///< Seconds; 0: slow requests are not looked for.
};

/// Lists by thread are cut to so many entries, which keeps a datagram well below what a Unix socket takes.
inline constexpr std::size_t kListedThreads = 1024;

[[nodiscard]] Datagram process_started(const Identity& identity, const Datagram::Header& header);
[[nodiscard]] Datagram request_metrics(const Identity& identity, const Intervals& intervals, const Window& window,
                                       std::uint32_t sequence);
[[nodiscard]] Datagram slow_request(const SlowRequest& request, const Datagram::Header& header);

struct End {
  std::string_view reason;
  std::uint64_t active_requests = 0;
};

[[nodiscard]] Datagram process_stopping(const Identity& identity, const Datagram::Header& header, const End& end);

struct Life {
  double uptime = 0.0;  ///< Seconds.
  std::uint64_t request_count = 0;
  bool graceful = true;  ///< Nothing was in flight at the end.
};

[[nodiscard]] Datagram process_stopped(const Identity& identity, const Datagram::Header& header, const End& end,
                                       const Life& life);

}  // namespace sluice::telemetry
