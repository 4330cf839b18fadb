// SPDX-License-Identifier: Apache-2.0
// The interface through which the module `mod_wsgi` uses the process that runs it. Three hosts implement it: Apache's
// own processes, daemon processes, and the harness. Knows nothing of Python.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/wsgi/schema/recorder.hpp"
#include "bindings/metrics_session.hpp"
#include "bindings/scoreboard.hpp"
#include "sluice/log.hpp"

namespace sluice::bindings {

/// One object for each process. Outlives every interpreter. Any thread may call any member; it may hold a GIL.
class Host {
 public:
  explicit Host(wsgi::Recorder::Options options) : recorder_(options), session_(recorder_) {
    if (recorder_.slow_requests() != nullptr) slow_reader_.emplace(*recorder_.slow_requests());
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  virtual ~Host() = default;

  [[nodiscard]] wsgi::Recorder& recorder() noexcept { return recorder_; }
  [[nodiscard]] MetricsSession& session() noexcept { return session_; }

  /// Returns the slow requests since the last call, as SlowReader::drain() does; none when they are not configured.
  [[nodiscard]] std::vector<wsgi::SlowRequest> take_slow_requests() {
    return slow_reader_ ? slow_reader_->drain() : std::vector<wsgi::SlowRequest>();
  }

  /// Whether an external reporter takes the metrics of this process. The functions of the module then return None.
  [[nodiscard]] virtual bool external_reporter() const noexcept = 0;

  /// Returns the scoreboard of the server; null when there is none, and when the configuration does not allow it.
  [[nodiscard]] virtual const Scoreboard* scoreboard() const noexcept { return nullptr; }

  /// Returns the name of the process group; empty for a server's own processes.
  [[nodiscard]] virtual std::string process_group() const = 0;

  /// Whether the process delivers signals to the subscribers of the application.
  [[nodiscard]] virtual bool delivers_signals() const noexcept { return false; }

  [[nodiscard]] virtual long maximum_processes() const noexcept = 0;
  [[nodiscard]] virtual long threads_per_process() const noexcept = 0;

  /// Whether the error log takes lines of this level. True when that is not known.
  [[nodiscard]] virtual bool logs(LogLevel) const noexcept { return true; }

  /// Writes one line, without its line end, to the error log.
  virtual void log(LogLevel level, std::string_view line) const noexcept = 0;

  /// Writes one line, without its line end, to the error log of the request that the calling thread serves, which may
  /// be that of a virtual host. On any other thread it does what log() does.
  virtual void log_for_request(LogLevel level, std::string_view line) const noexcept { log(level, line); }

 private:
  wsgi::Recorder recorder_;
  MetricsSession session_;
  std::optional<wsgi::SlowReader> slow_reader_;
};

}  // namespace sluice::bindings
