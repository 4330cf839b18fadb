// Which requests last longer than a threshold, and what they are: a bounded copy of the description of each request in
// flight, and of the last that were slow, by worker slot. Only the thread of a slot writes there, with plain stores;
// readers copy what they find and check that it is whole. The argument is in docs/memory-model.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/clock.hpp"
#include "sluice/completion.hpp"
#include "sluice/resources.hpp"
#include "sluice/timestamps.hpp"

namespace sluice {

/// What describes a request. Each text is cut to its length in kRequestTextMax.
enum class RequestText : std::uint8_t {
  kId,  ///< What the server's logs call the request.
  kMethod,
  kScheme,
  kHost,
  kScriptName,  ///< With kPathInfo the path, which has no query string.
  kPathInfo,
  kProtocol,
  kPeerAddress,
  kUserAgent,
};

inline constexpr std::size_t kRequestTexts = 9;
inline constexpr std::array<std::size_t, kRequestTexts> kRequestTextMax = {40, 16, 8, 64, 128, 256, 16, 48, 256};

using RequestTexts = std::array<std::string_view, kRequestTexts>;

/// One slow request. While it is in flight its duration and phases are those so far, and what is measured at the end is
/// 0. The phases of a request in flight follow one another (see sequential_phases()); those of a completed one are its
/// host's.
struct SlowRequest {
  bool active = false;
  std::size_t thread_id = 0;     ///< From 1.
  std::uint64_t server_pid = 0;  ///< The process that accepted it.
  double start_time = 0.0;       ///< Seconds since the Unix epoch; the same in all records of one request.
  std::uint64_t start_ns = 0;    ///< The same on the monotonic clock.
  std::uint64_t duration_us = 0;
  Completion done{.status = 0};
  ThreadCpu cpu;
  std::size_t active_requests = 0;  ///< In flight when it completed, itself included.
  std::array<std::string, kRequestTexts> texts;

  [[nodiscard]] const std::string& text(RequestText which) const noexcept {
    return texts[static_cast<std::size_t>(which)];
  }
};

/// One process's. After fork() the child's is empty.
class SlowRequests {
 public:
  /// The last slow requests of a slot that are kept for readers.
  static constexpr std::size_t kKept = 16;

  /// Throws std::bad_alloc. Memory of a slot, some 20 KiB, is committed as it is used.
  SlowRequests(std::size_t threads, std::uint64_t threshold_us, const Clock& clock);
  SlowRequests(const SlowRequests&) = delete;
  SlowRequests& operator=(const SlowRequests&) = delete;
  ~SlowRequests();

  [[nodiscard]] std::uint64_t threshold_us() const noexcept { return threshold_us_; }

  // For the thread that has the worker slot, of the one request that it has in flight there. Wait-free, without
  // allocation; the system is asked for the time only.

  /// Timestamps of what has not happened are 0. Without the time of acceptance the request began now.
  void begin(std::size_t slot, const Timestamps& timestamps, const RequestTexts& texts,
             std::uint64_t server_pid) noexcept;
  void enter(std::size_t slot, std::uint64_t entered_ns) noexcept;
  void leave(std::size_t slot, std::uint64_t left_ns) noexcept;
  /// It is given up: no reader sees it any more.
  void cancel(std::size_t slot) noexcept;
  /// It lasted until `now_ns`, or as long as `done` says if that is longer. `done` has the phases to be shown.
  void finish(std::size_t slot, const Completion& done, const ThreadCpu& cpu, std::uint64_t now_ns) noexcept;

 private:
  friend class SlowReader;
  struct Memory;

  [[nodiscard]] std::size_t count_active() const noexcept;

  std::uint64_t threshold_us_;
  const Clock& clock_;
  std::unique_ptr<Memory> memory_;
};

/// One consumer of slow requests. Each sees every completed request once and takes nothing from another; a request in
/// flight is in each drain until it completes. Must not outlive the SlowRequests.
class SlowReader {
 public:
  /// Sees what completes from now on. Throws std::bad_alloc.
  explicit SlowReader(SlowRequests& requests);

  /// Completed requests since the last drain, each slot's in their order, then those in flight that have lasted as long
  /// as the threshold. Any thread; blocks on other drains of this reader, never on a request. Throws std::bad_alloc.
  [[nodiscard]] std::vector<SlowRequest> drain();

  /// Completed requests that were gone before a drain, because more than SlowRequests::kKept of a slot came in between.
  [[nodiscard]] std::uint64_t lost() const;

 private:
  void take_completed(std::size_t slot, std::vector<SlowRequest>& into);
  void take_active(std::size_t slot, std::uint64_t now_ns, std::vector<SlowRequest>& into) const;

  SlowRequests& requests_;
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> next_;  ///< Of each slot, the number of the first completed request not yet seen.
  std::uint64_t lost_ = 0;
};

}  // namespace sluice
