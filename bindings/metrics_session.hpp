// SPDX-License-Identifier: Apache-2.0
// The readers of one process that belong to its own code: the one behind request_metrics(), which starts with
// start_recording_metrics(), and one for each MetricsReader object.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "adapters/wsgi/schema/fork_lock.hpp"
#include "adapters/wsgi/schema/recorder.hpp"
#include "bindings/window_reader.hpp"

namespace sluice::bindings {

/// Any thread may call any member, and a process forked from this one may, too.
class MetricsSession {
 public:
  class Consumer;

  explicit MetricsSession(wsgi::Recorder& recorder) noexcept : recorder_(&recorder) {}
  MetricsSession(const MetricsSession&) = delete;
  MetricsSession& operator=(const MetricsSession&) = delete;
  /// Detaches the remaining consumers: their reader() returns null from then on.
  ~MetricsSession();

  /// Begins the first window of the session and of each consumer. Further calls do nothing. The session is active when
  /// the call returns. Throws std::bad_alloc and leaves the session inactive.
  void start();

  [[nodiscard]] bool active() const noexcept { return active_.load(std::memory_order_acquire); }

  /// Returns the reader behind request_metrics(). Requires active().
  [[nodiscard]] WindowReader& reader() noexcept { return *reader_; }

 private:
  class Lock;

  wsgi::Recorder* recorder_;
  std::atomic<bool> active_{false};
  std::optional<WindowReader> reader_;
  /// A forked child that takes the lock from a thread of its parent abandons the list of consumers, because that thread
  /// may have been in the middle of a change to it.
  wsgi::ForkLock lock_;
  std::uint32_t list_generation_ = 0;  ///< Incremented when a list is abandoned.
  Consumer* consumers_ = nullptr;
};

/// One additional consumer of windows. Any thread may call any member.
class MetricsSession::Consumer {
 public:
  /// Begins the first window now if the session is active, else when the session starts. Throws std::bad_alloc.
  explicit Consumer(MetricsSession& session);
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;
  ~Consumer() { close(); }

  /// Returns the reader, which stays valid as long as the caller keeps the pointer. Returns null before the session
  /// starts and after close(). Throws std::bad_alloc.
  [[nodiscard]] std::shared_ptr<WindowReader> reader();

  /// Releases the reader. Further calls do nothing.
  void close() noexcept;

 private:
  friend class MetricsSession;

  MetricsSession* session_;  ///< Null after close() and after the end of the session.
  std::uint32_t list_generation_ = 0;
  Consumer* previous_ = nullptr;
  Consumer* next_ = nullptr;
  std::shared_ptr<WindowReader> reader_;
};

}  // namespace sluice::bindings
