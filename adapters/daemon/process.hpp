// SPDX-License-Identifier: Apache-2.0
// The life of a daemon process, from the moment when it is isolated to its end.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/daemon/authentication.hpp"
#include "adapters/daemon/daemon_options.hpp"
#include "adapters/daemon/heartbeat.hpp"
#include "adapters/daemon/imported_script.hpp"
#include "adapters/telemetry/reporter.hpp"
#include "adapters/wsgi/process/runtime.hpp"
#include "adapters/wsgi/request/environ.hpp"
#include "bindings/host.hpp"
#include "sluice/log.hpp"

namespace sluice::daemon {

struct ProcessOptions {
  const DaemonOptions& daemon;
  int listener = -1;               ///< Listening socket; -1 for a service process.
  KeyRing keys{};                  ///< The keys that authenticate requests.
  pid_t parent = 0;                ///< The server's parent process.
  Heartbeat* heartbeat = nullptr;  ///< Null when the parent does not check it.
  std::span<std::byte> memory;     ///< The region in which requests are recorded; empty when no other process reads it.
  /// Returns the server's scoreboard. Null when the group may not read it.
  const bindings::Scoreboard* (*scoreboard)() noexcept = nullptr;
  wsgi::ServerFacts facts;
  wsgi::Runtime::Options python;
  std::vector<ImportedScript> imports;
  telemetry::Settings telemetry;
  telemetry::Identity identity;  ///< Without the fields that only the process itself knows.
  std::optional<std::uint64_t> slow_threshold_us;
  bool publish_requests = false;  ///< The metrics endpoint lists requests in flight.
  LogSink log;
};

/// Drops privileges, starts Python, serves requests and ends the process. For a forked process with a single thread.
[[noreturn]] void run_process(const ProcessOptions& options);

}  // namespace sluice::daemon
