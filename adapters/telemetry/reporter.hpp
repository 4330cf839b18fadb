// SPDX-License-Identifier: Apache-2.0
// The external reporter of one process: a thread without any interpreter that drains its own readers at an interval and
// sends the result to a telemetry service. Requests and the reporter do not wait for each other.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/telemetry/collections.hpp"
#include "adapters/telemetry/samples.hpp"
#include "adapters/telemetry/sender.hpp"
#include "adapters/wsgi/schema/recorder.hpp"

namespace sluice::telemetry {

/// The configuration of the reporter.
struct Settings {
  std::string path;       ///< Path of the socket of the service; empty without a service.
  double interval = 1.0;  ///< Seconds.

  [[nodiscard]] bool configured() const noexcept { return !path.empty(); }
};

/// Never destroyed once started, because a process that ends by force does not stop it. Does nothing in a forked child.
class Reporter {
 public:
  /// Begins the first window. Completes `identity` with the hostname and the process ids. Throws std::bad_alloc.
  Reporter(const Settings& settings, Identity identity, wsgi::Recorder& recorder, LogSink log);
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;
  ~Reporter() = delete;

  /// Adds the logs of garbage collections, which outlive the reporter. Called before start().
  void report_collections(CollectionLogs& collections) noexcept { collections_ = &collections; }

  /// Starts the thread, which blocks all signals. Logs a failure; nothing is sent then.
  void start();

  /// Reports that the process has been asked to end. Called once, on any thread, which sends the report itself: the
  /// reporter's thread may not run in time on a busy machine. Waits for about half a second at most when that thread is
  /// sending, and for the same time when the service does not read.
  void announce_end(std::string_view reason) noexcept;

  /// Sends the last window and a summary of the process in the same way, and ends the thread. Then waits for its end,
  /// but at most half a second. Any thread; a second call only waits. Requests in flight count as aborted.
  void stop(std::string_view reason) noexcept;

 private:
  enum class Phase : std::uint8_t { kRunning, kStopping, kStopped };

  static void* run(void* reporter) noexcept;
  void report();
  [[nodiscard]] bool wait_for_sample(std::uint64_t due_ns);
  [[nodiscard]] bool take_turn(std::unique_lock<std::mutex>& lock, std::string_view reason);
  void send_last(void (Reporter::*series)()) noexcept;
  void log_early_end(const std::exception& error) const;

  void send(const Datagram& datagram);
  void send_started();
  void send_stopping();
  void send_end();
  void send_sample();
  void send_collections();
  [[nodiscard]] Datagram::Header header() const;

  const Intervals intervals_;
  Identity identity_;
  wsgi::Recorder& recorder_;
  Reader reader_;
  std::optional<wsgi::SlowReader> slow_reader_;
  CollectionLogs* collections_ = nullptr;  ///< Null when Python does not run in the process.
  LogSink log_;
  Sender sender_;
  const double started_;  ///< Seconds since the Unix epoch.
  const std::uint64_t started_ns_;
  std::uint32_t sequence_ = 0;  ///< Sequence number of the last sample. The receiver counts gaps as losses.
  Window window_;
  std::string reason_;      ///< Why the process ends.
  bool announced_ = false;  ///< The report of announce_end() has been sent.

  std::mutex mutex_;  ///< Guards the members below.
  std::condition_variable changed_;
  Phase phase_ = Phase::kStopped;  ///< The reporter's thread.
  /// A thread has the turn to send: only it uses the readers, the sender and the members above.
  bool sending_ = false;
};

}  // namespace sluice::telemetry
