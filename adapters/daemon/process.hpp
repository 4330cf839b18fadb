// A daemon process from its fork to its end.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/daemon/authentication.hpp"
#include "adapters/daemon/group.hpp"
#include "adapters/daemon/heartbeat.hpp"
#include "adapters/telemetry/reporter.hpp"
#include "adapters/wsgi/process/runtime.hpp"
#include "adapters/wsgi/request/environ.hpp"
#include "bindings/host.hpp"

namespace sluice::daemon {

/// Loads before the first request.
struct ImportedScript {
  std::string application_group;
  std::string path;
};

struct ProcessOptions {
  const Group& group;
  int listener = -1;               ///< -1 for a service process.
  KeyRing keys{};                  ///< Authenticates the requests of the server's workers.
  pid_t parent = 0;                ///< The server's parent process.
  Heartbeat* heartbeat = nullptr;  ///< The parent looks at it; null: nobody does.
  std::span<std::byte> memory;     ///< Where requests are recorded; empty: nobody else reads it.
  /// Finds the server's scoreboard; null where the group may not see it.
  const bindings::Scoreboard* (*scoreboard)() noexcept = nullptr;
  wsgi::ServerFacts facts;
  wsgi::Runtime::Options python;
  std::vector<ImportedScript> imports;
  telemetry::Settings telemetry;
  telemetry::Identity identity;  ///< As far as the server knows it.
  std::optional<std::uint64_t> slow_threshold_us;
  std::function<void(bindings::LogLevel, std::string_view)> log;
};

/// Drops privileges, starts Python, serves requests and ends the process. In a forked child with a single thread.
[[noreturn]] void run_process(const ProcessOptions& options);

}  // namespace sluice::daemon
