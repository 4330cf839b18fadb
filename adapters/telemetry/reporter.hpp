// SPDX-License-Identifier: Apache-2.0
// The external reporter of one process: a thread without any interpreter that drains its own readers at an interval and
// sends the result to a telemetry service. Requests and the reporter do not wait for each other.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <cstdint>
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

  /// Also reports these garbage collections, which outlive the reporter. Called before start().
  void report_collections(CollectionLogs& collections) noexcept { collections_ = &collections; }

  /// Starts the thread, which blocks all signals. Logs a failure; nothing is sent then.
  void start();

  /// Reports that the process has been asked to end. Called once, on any thread. Waits until the report is sent, but at
  /// most half a second.
  void announce_end(std::string_view reason);

  /// Sends the last window and a summary of the process, and ends the thread. Called once, on any thread. Waits for the
  /// end, but at most half a second. Requests in flight count as aborted.
  void stop(std::string_view reason);

 private:
  enum class Phase : std::uint8_t { kRunning, kAnnouncing, kAnnounced, kStopping, kStopped };

  static void* run(void* reporter) noexcept;
  void report();
  [[nodiscard]] Phase wait(std::uint64_t deadline_ns);
  void advance(Phase requested, Phase done, std::string_view reason);
  void set_reached(Phase done);

  void send(const Datagram& datagram);
  void send_started();
  void send_stopping();
  void send_stopped();
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
  std::string last_reason_;  ///< Copy of reason_ for the reporter's thread.

  std::mutex mutex_;  ///< Guards the members below.
  std::condition_variable changed_;
  Phase phase_ = Phase::kStopped;
  std::string reason_;
};

}  // namespace sluice::telemetry
