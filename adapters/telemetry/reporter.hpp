// The external reporter of one process: a thread that has nothing to do with any interpreter, drains readers of its own
// at an interval, and sends what it drained. Requests never wait for it, nor it for them.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/telemetry/samples.hpp"
#include "adapters/telemetry/sender.hpp"
#include "sluice/recorder.hpp"

namespace sluice::telemetry {

/// What the configuration says.
struct Settings {
  std::string path;       ///< Path of the socket of the service; empty without one.
  double interval = 1.0;  ///< Seconds.

  [[nodiscard]] bool configured() const noexcept { return !path.empty(); }
};

/// Never destroyed once started: a process that ends by force leaves it where it is. In a forked child it does nothing.
class Reporter {
 public:
  /// The first window begins now. Completes `identity` with what the system knows. Throws std::bad_alloc.
  Reporter(const Settings& settings, Identity identity, Recorder& recorder, LogSink log);
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;
  ~Reporter() = delete;

  /// Makes the thread, which takes no signals. If it cannot be made that is logged, and nothing is sent.
  void start();

  /// Sends word that the process has been asked to end. Once; any thread; returns when it is sent.
  void announce_end(std::string_view reason);

  /// Sends what is left and the summary of the process, and ends the thread. Once; any thread; waits for that, but not
  /// long. Requests in flight count as cut off.
  void stop(std::string_view reason);

 private:
  enum class Phase : std::uint8_t { kRunning, kAnnouncing, kAnnounced, kStopping, kStopped };

  static void* run(void* reporter) noexcept;
  void report();
  [[nodiscard]] Phase wait(std::uint64_t deadline_ns);
  void advance(Phase asked, Phase done, std::string_view reason);
  void reached(Phase done);

  void tell(const Datagram& datagram);
  void send_started();
  void send_stopping();
  void send_stopped();
  void send_sample();
  [[nodiscard]] Datagram::Header header() const;

  const Intervals intervals_;
  Identity identity_;
  Recorder& recorder_;
  Reader reader_;
  std::optional<SlowReader> slow_reader_;
  LogSink log_;
  Sender sender_;
  const double started_;  ///< Seconds since the Unix epoch.
  const std::uint64_t started_ns_;
  std::uint32_t sequence_ = 0;  ///< Of samples. The receiver counts gaps in it as losses.
  Window window_;
  std::string last_reason_;  ///< What was given, as the thread of the reporter knows it.

  std::mutex mutex_;  ///< Guards what is below.
  std::condition_variable changed_;
  Phase phase_ = Phase::kStopped;
  std::string reason_;
};

}  // namespace sluice::telemetry
