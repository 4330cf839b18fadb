// SPDX-License-Identifier: Apache-2.0
// The thread of a pusher: takes batches from a source at an interval, and sends them by a transport, with pauses after
// failures.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sluice/push.hpp"

namespace sluice::inline v0_1::endpoint {

using SteadyClock = std::chrono::steady_clock;
using Batch = std::vector<std::string>;
using BatchSource = std::function<absl::StatusOr<Batch>()>;

/// Returns an error if a time or a number of a schedule cannot be used.
[[nodiscard]] absl::Status checked(const PushSchedule& schedule);

/// Pauses after failed attempts: exponential, with jitter, so that many senders do not return at the same time.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest, std::uint32_t seed)
      : first_(first), longest_(longest), random_(seed) {}

  /// Returns the pause after one more failed attempt: from half of its full length on.
  [[nodiscard]] std::chrono::milliseconds next();
  /// Begins anew, after a success.
  void reset() noexcept { failures_ = 0; }

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds longest_;
  unsigned failures_ = 0;
  std::minstd_rand random_;
};

/// How an attempt ended.
struct Attempt {
  absl::Status status;                 ///< OK if the receiver took the whole batch.
  bool may_retry = true;               ///< False if the receiver refused the rest of the batch for good.
  std::chrono::milliseconds after{0};  ///< Least pause that the receiver asks for.
};

/// A connection to a receiver.
class Transport {
 public:
  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  /// Sends a batch until `deadline`, and removes the messages that the receiver took. The thread of the pusher.
  [[nodiscard]] virtual Attempt send(Batch& batch, SteadyClock::time_point deadline) = 0;
  /// Gives a send() in progress, and later ones, until `deadline` at most. Any thread, once.
  virtual void hurry(SteadyClock::time_point deadline) = 0;
};

}  // namespace sluice::endpoint

namespace sluice::inline v0_1 {

/// The state is behind a mutex, which is never held during a call of the source or of the transport.
class Pusher::Loop {
 public:
  Loop(endpoint::BatchSource source, std::unique_ptr<endpoint::Transport> transport, const PushSchedule& schedule);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  /// Sends a last batch, for as long as the schedule says.
  ~Loop();

  [[nodiscard]] absl::Status start();
  [[nodiscard]] absl::Status flush(std::chrono::milliseconds timeout);
  [[nodiscard]] PushCounts counts() const;
  [[nodiscard]] absl::Status last_error() const;
  /// Returns true in a forked child, which has no thread of the pusher.
  [[nodiscard]] bool inherited() const noexcept;

 private:
  using Lock = std::unique_lock<std::mutex>;

  void run() noexcept;
  [[nodiscard]] endpoint::SteadyClock::time_point due() const;
  absl::Status take(Lock& lock);
  absl::Status send(Lock& lock);
  void flush_requested(Lock& lock);
  void finish(Lock& lock);

  endpoint::BatchSource source_;
  std::unique_ptr<endpoint::Transport> transport_;
  PushSchedule schedule_;
  endpoint::Backoff backoff_;
  pid_t process_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<endpoint::Batch> queue_;
  PushCounts counts_;
  absl::Status last_error_;
  bool source_failed_ = false;  ///< True if `last_error_` is of the source.
  absl::Status flush_error_;    ///< Why the last flush lost messages, or got none.
  bool flush_sent_all_ = true;  ///< Nothing waited when it ended; the next batch may have been taken since.
  endpoint::SteadyClock::time_point next_take_;
  endpoint::SteadyClock::time_point next_send_;
  endpoint::SteadyClock::time_point end_ = endpoint::SteadyClock::time_point::max();  ///< Set by the destructor.
  std::uint64_t flushes_requested_ = 0;
  std::uint64_t flushes_done_ = 0;
  std::thread thread_;
};

}  // namespace sluice
