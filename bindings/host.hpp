// What the `mod_wsgi` module needs of whoever runs it. Three hosts exist: Apache's processes, daemon processes, and the
// harness. Knows nothing of Python.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bindings/metrics_session.hpp"
#include "bindings/scoreboard.hpp"
#include "sluice/log.hpp"
#include "sluice/recorder.hpp"

namespace sluice::bindings {

using sluice::LogLevel;

/// One for each process. Outlives every interpreter. All members may be called from any thread, with or without the
/// lock of an interpreter.
class Host {
 public:
  explicit Host(Recorder::Options options) : recorder_(options), session_(recorder_) {
    if (recorder_.slow_requests() != nullptr) slow_reader_.emplace(*recorder_.slow_requests());
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  virtual ~Host() = default;

  [[nodiscard]] Recorder& recorder() noexcept { return recorder_; }
  [[nodiscard]] MetricsSession& session() noexcept { return session_; }

  /// The slow requests since the last call: see SlowReader::drain(). None where they are not looked for.
  [[nodiscard]] std::vector<SlowRequest> take_slow_requests() {
    return slow_reader_ ? slow_reader_->drain() : std::vector<SlowRequest>();
  }

  /// Another consumer takes the metrics of this process: the accessors of the module give None.
  [[nodiscard]] virtual bool external_reporter() const noexcept = 0;

  /// The server's scoreboard; null where there is none, and where the configuration does not allow it.
  [[nodiscard]] virtual const Scoreboard* scoreboard() const noexcept { return nullptr; }

  /// The name of the process group; empty for a server's own processes.
  [[nodiscard]] virtual std::string process_group() const = 0;

  /// Signals that are the application's are delivered to its subscribers.
  [[nodiscard]] virtual bool delivers_signals() const noexcept { return false; }

  [[nodiscard]] virtual long maximum_processes() const noexcept = 0;
  [[nodiscard]] virtual long threads_per_process() const noexcept = 0;

  /// One line without its end.
  virtual void log(LogLevel level, std::string_view line) const noexcept = 0;

 private:
  Recorder recorder_;
  MetricsSession session_;
  std::optional<SlowReader> slow_reader_;
};

}  // namespace sluice::bindings
