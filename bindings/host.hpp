// What the `mod_wsgi` module needs of whoever runs it. Three hosts exist: Apache's processes, daemon processes, and the
// harness. Knows nothing of Python.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "bindings/recording.hpp"
#include "sluice/recorder.hpp"

namespace sluice::bindings {

enum class LogLevel : std::uint8_t { kError, kWarning, kInfo, kDebug };

/// One for each process. Outlives every interpreter. All members may be called from any thread, with or without the
/// lock of an interpreter.
class Host {
 public:
  explicit Host(Recorder::Options options) : recorder_(options), recording_(recorder_) {}
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  virtual ~Host() = default;

  [[nodiscard]] Recorder& recorder() noexcept { return recorder_; }
  [[nodiscard]] Recording& recording() noexcept { return recording_; }

  /// Another consumer takes the metrics of this process: the accessors of the module give None.
  [[nodiscard]] virtual bool external_reporter() const noexcept = 0;

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
  Recording recording_;
};

}  // namespace sluice::bindings
