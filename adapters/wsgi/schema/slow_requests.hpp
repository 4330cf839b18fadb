// SPDX-License-Identifier: Apache-2.0
// Requests that last longer than a threshold: for each worker slot, a bounded copy of the description of the request in
// flight and of the last slow requests. Only the thread of a slot writes there, with plain stores; readers copy the
// data and check that the copy is whole. The argument is in docs/memory-model.md, "Slow requests".
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/wsgi/schema/completion.hpp"
#include "adapters/wsgi/schema/fork_lock.hpp"
#include "adapters/wsgi/schema/timestamps.hpp"
#include "sluice/clock.hpp"
#include "sluice/resources.hpp"

namespace sluice::wsgi {

/// A text that describes a request. Each is cut to its length in kRequestTextMax.
enum class RequestText : std::uint8_t {
  kId,           ///< Identifier of the request in the logs of the server.
  kMethod,       ///< HTTP method.
  kScheme,       ///< `http` or `https`.
  kHost,         ///< Host that the client asked for.
  kScriptName,   ///< First part of the path.
  kPathInfo,     ///< Rest of the path, without the query string.
  kProtocol,     ///< Protocol of the request, such as `HTTP/1.1`.
  kPeerAddress,  ///< Address of the client.
  kUserAgent,    ///< User agent of the client.
};

inline constexpr std::size_t kRequestTexts = 9;  ///< Number of texts.
/// Greatest length of each text in bytes.
inline constexpr std::array<std::size_t, kRequestTexts> kRequestTextMax = {40, 16, 8, 64, 128, 256, 16, 48, 256};

/// The texts of one request by RequestText.
using RequestTexts = std::array<std::string_view, kRequestTexts>;

/// One slow request. While it is in flight, its duration and phases are those so far, and what is measured at the end
/// is 0. The phases of a request in flight follow one another, see sequential_phases(); a completed one has those of
/// its host.
struct SlowRequest {
  bool active = false;              ///< True while in flight.
  std::size_t thread_id = 0;        ///< Number of its worker slot, from 1.
  std::uint64_t server_pid = 0;     ///< Process that accepted it.
  double start_time = 0.0;          ///< Seconds since the Unix epoch; the same in all records of one request.
  std::uint64_t sequence = 0;       ///< Identifies it among the requests of its worker slot.
  std::uint64_t duration_us = 0;    ///< Time since it was accepted, until its end if it has one.
  Completion done{.status = 0};     ///< Its measurements.
  ThreadCpu cpu;                    ///< CPU time of its thread.
  std::size_t active_at_start = 0;  ///< Number of requests in flight when it began, itself included.
  std::size_t active_requests = 0;  ///< Number of requests in flight when it completed, itself included.
  std::array<std::string, kRequestTexts> texts;  ///< Its description by RequestText.

  /// Returns one text.
  [[nodiscard]] const std::string& text(RequestText which) const noexcept {
    return texts[static_cast<std::size_t>(which)];
  }
};

/// The slow requests of one process. After fork() the child's are empty.
///
/// begin(), enter(), leave(), cancel() and finish() are for the thread that has the worker slot, and for the one
/// request that it has in flight there. They are wait-free and allocate nothing; begin() reads both clocks and a word
/// of each slot.
class SlowRequests {
 public:
  /// Number of completed slow requests of a slot that are kept for readers.
  static constexpr std::size_t kKept = 16;

  /// Reserves memory for `threads` worker slots. Memory of a slot, about 20 KiB, is committed as it is used.
  /// \throws std::bad_alloc
  SlowRequests(std::size_t threads, std::uint64_t threshold_us, const Clock& clock);
  SlowRequests(const SlowRequests&) = delete;
  SlowRequests& operator=(const SlowRequests&) = delete;
  ~SlowRequests();

  /// Returns the duration from which on a request is slow.
  [[nodiscard]] std::uint64_t threshold_us() const noexcept { return threshold_us_; }

  /// Describes the request that the slot begins. Timestamps of what has not happened are 0; without the time of
  /// acceptance the request began now.
  void begin(std::size_t slot, const Timestamps& timestamps, const RequestTexts& texts,
             std::uint64_t server_pid) noexcept;
  /// Sets the time at which the application was entered.
  void enter(std::size_t slot, std::uint64_t entered_ns) noexcept;
  /// Sets the time at which the application was done.
  void leave(std::size_t slot, std::uint64_t left_ns) noexcept;
  /// Removes the request without recording it.
  void cancel(std::size_t slot) noexcept;
  /// Ends the request, and keeps it if it was slow. Its duration is that until `now_ns`, or `done.request_us` if that
  /// is longer. `done` has the phases to report. Does nothing for a request that began before a fork.
  void finish(std::size_t slot, const Completion& done, const ThreadCpu& cpu, std::uint64_t now_ns) noexcept;

 private:
  friend class SlowReader;
  struct Memory;

  [[nodiscard]] std::size_t count_active() const noexcept;

  std::uint64_t threshold_us_;
  const Clock& clock_;
  std::unique_ptr<Memory> memory_;
};

/// One consumer of slow requests. Each sees every completed slow request once and takes nothing from another; a request
/// in flight is in each drain until it completes. Thread-safe. Must not outlive the SlowRequests. In a forked child it
/// has the requests of the child, from the fork on.
class SlowReader {
 public:
  /// Makes a reader of what completes from now on.
  /// \throws std::bad_alloc
  explicit SlowReader(SlowRequests& requests);

  /// Returns the slow requests that completed since the last drain, those of each slot in their order, then those in
  /// flight that have lasted as long as the threshold. Blocks on other drains of this reader, never on a request.
  /// \throws std::bad_alloc
  [[nodiscard]] std::vector<SlowRequest> drain();

  /// Returns the number of completed slow requests that no drain returned, because more than SlowRequests::kKept of a
  /// slot completed between two drains. Blocks on drains.
  [[nodiscard]] std::uint64_t lost() const;

 private:
  void take_completed(std::size_t slot, std::vector<SlowRequest>& into);
  void take_active(std::size_t slot, std::uint64_t now_ns, std::vector<SlowRequest>& into) const;

  SlowRequests& requests_;
  mutable ForkLock lock_;            ///< Guards the members below.
  pid_t process_;                    ///< The process whose requests they count.
  std::vector<std::uint64_t> next_;  ///< Number of the first completed request not yet returned, by slot.
  std::uint64_t lost_ = 0;
};

}  // namespace sluice::wsgi
