// SPDX-License-Identifier: Apache-2.0
// Lines for the log of a request that wait to be sent to the server, as encoded frames.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "adapters/daemon/wire.hpp"
#include "sluice/log.hpp"

namespace sluice::daemon {

/// One thread adds lines; the thread that may send, which can be another one, takes them. Never blocks on I/O.
class LogQueue {
 public:
  /// The most bytes that wait. A request reaches them only while the server reads nothing from the connection.
  static constexpr std::size_t kWaitingMax = 4 * 1024 * 1024;

  /// Adds a line, in parts when it is longer than a frame allows. Counts the line instead when too much waits already.
  void add(LogLevel level, std::string_view line);

  /// Returns true when there is something to take. A thread sees every line that it has added itself.
  [[nodiscard]] bool waiting() const noexcept {
    // Relaxed: the mutex publishes the lines. A thread that misses a line of another one leaves it to the next send.
    return waiting_.load(std::memory_order_relaxed);
  }

  /// Takes all frames, one a line. The first may be the rest of a frame. With `report_dropped`, a line about those that
  /// were only counted follows; without, their number is kept, so that frames which are put back do not pile up.
  [[nodiscard]] std::deque<std::string> take(bool report_dropped);

  /// Puts back the frames that could not be sent, in front of those that were added since.
  void put_back(std::deque<std::string> frames);

 private:
  void append(LogLevel level, std::string_view text);

  std::mutex mutex_;
  std::deque<std::string> frames_;
  std::size_t bytes_ = 0;  ///< Size of all frames together.
  std::uint64_t dropped_ = 0;
  std::atomic<bool> waiting_{false};
};

/// Decodes the frame of a line. Returns false when `frame` is not a whole frame, but what is left of one that was sent
/// in part.
[[nodiscard]] bool decode_frame(std::string_view frame, LogLine& line);

}  // namespace sluice::daemon
