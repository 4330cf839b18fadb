// SPDX-License-Identifier: Apache-2.0
#include "push_loop.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "descriptor.hpp"
#include "times.hpp"

namespace sluice::inline v0_1 {
namespace endpoint {

using std::chrono::milliseconds;

absl::Status checked(const PushSchedule& schedule) {
  if (!usable(schedule.interval)) return absl::InvalidArgumentError("interval must be positive and at most a year");
  if (!usable(schedule.timeout)) return absl::InvalidArgumentError("timeout must be positive and at most a year");
  if (!usable(schedule.first_pause) || !usable(schedule.longest_pause)) {
    return absl::InvalidArgumentError("first_pause and longest_pause must be positive and at most a year");
  }
  if (schedule.flush < milliseconds::zero() || schedule.flush > kLongest) {
    return absl::InvalidArgumentError("flush must not be negative, and at most a year");
  }
  if (schedule.queue < 1) return absl::InvalidArgumentError("queue must be at least 1");
  return absl::OkStatus();
}

milliseconds Backoff::next() {
  milliseconds full = first_;
  for (unsigned i = 0; i < failures_ && full < longest_; ++i) full *= 2;
  ++failures_;
  full = std::min(full, longest_);
  std::uniform_int_distribution<milliseconds::rep> part(full.count() / 2, full.count());
  return milliseconds(part(random_));
}

}  // namespace endpoint

Pusher::Loop::Loop(endpoint::BatchSource source, std::unique_ptr<endpoint::Transport> transport,
                   const PushSchedule& schedule)
    : source_(std::move(source)),
      transport_(std::move(transport)),
      schedule_(schedule),
      backoff_(schedule.first_pause, schedule.longest_pause, std::random_device{}()),
      process_(::getpid()),
      next_take_(endpoint::SteadyClock::now() + schedule.interval) {}

absl::Status Pusher::Loop::start() {
  absl::StatusOr<std::thread> thread = endpoint::start_thread([this] { run(); });
  if (!thread.ok()) return thread.status();
  thread_ = *std::move(thread);
  return absl::OkStatus();
}

Pusher::Loop::~Loop() {
  if (!thread_.joinable()) return;
  const auto end = endpoint::SteadyClock::now() + schedule_.flush;
  {
    const std::lock_guard lock(mutex_);
    end_ = end;
  }
  changed_.notify_all();
  transport_->hurry(end);
  thread_.join();
}

bool Pusher::Loop::inherited() const noexcept { return process_ != ::getpid(); }

/// Returns the instant of the next thing to do.
endpoint::SteadyClock::time_point Pusher::Loop::due() const {
  const bool room = queue_.size() < schedule_.queue;
  if (queue_.empty()) return next_take_;
  return room ? std::min(next_take_, next_send_) : next_send_;
}

void Pusher::Loop::run() noexcept {
  Lock lock(mutex_);
  while (end_ == endpoint::SteadyClock::time_point::max()) {
    if (flushes_done_ != flushes_requested_) {
      flush_requested(lock);
    } else if (const auto now = endpoint::SteadyClock::now(); now < due()) {
      changed_.wait_until(lock, due());
    } else {
      if (now >= next_take_ && queue_.size() < schedule_.queue) static_cast<void>(take(lock));
      if (!queue_.empty() && now >= next_send_) static_cast<void>(send(lock));
    }
  }
  finish(lock);
}

/// Takes a batch. The next one is due an interval after this one was, or after now if that is past. Returns an error if
/// there is no batch.
absl::Status Pusher::Loop::take(Lock& lock) {
  const auto now = endpoint::SteadyClock::now();
  next_take_ += schedule_.interval;
  if (next_take_ <= now) next_take_ = now + schedule_.interval;
  lock.unlock();
  absl::StatusOr<endpoint::Batch> batch = absl::InternalError("the source threw an exception");
  try {
    batch = source_();
  } catch (...) {
  }
  lock.lock();
  if (!batch.ok()) {
    ++counts_.failures;
    source_failed_ = true;
    return last_error_ = batch.status();
  }
  if (std::exchange(source_failed_, false)) last_error_ = absl::OkStatus();
  const std::size_t messages = batch->size();
  counts_.taken += messages;
  if (messages == 0) return absl::OkStatus();
  try {
    queue_.push_back(*std::move(batch));
    counts_.waiting += messages;
  } catch (...) {
    counts_.dropped += messages;
    return last_error_ = absl::ResourceExhaustedError("the memory is exhausted");
  }
  return absl::OkStatus();
}

/// Sends the oldest batch. The batch stays in the queue meanwhile, so that the queue's bound includes it; nobody else
/// changes the queue. Returns an error if the receiver refused messages for good.
absl::Status Pusher::Loop::send(Lock& lock) {
  endpoint::Batch& batch = queue_.front();
  const std::size_t before = batch.size();
  const auto deadline = std::min(endpoint::SteadyClock::now() + schedule_.timeout, end_);
  lock.unlock();
  endpoint::Attempt attempt{.status = absl::ResourceExhaustedError("the memory is exhausted")};
  try {
    attempt = transport_->send(batch, deadline);
  } catch (...) {
  }
  lock.lock();
  const std::size_t left = attempt.status.ok() ? 0 : batch.size();
  counts_.delivered += before - left;
  counts_.waiting -= before - left;
  last_error_ = attempt.status;
  source_failed_ = false;
  if (attempt.status.ok()) {
    backoff_.reset();
    queue_.pop_front();
    return absl::OkStatus();
  }
  ++counts_.failures;
  if (!attempt.may_retry) {
    counts_.dropped += left;
    counts_.waiting -= left;
    backoff_.reset();
    queue_.pop_front();
    return attempt.status;
  }
  next_send_ = endpoint::SteadyClock::now() + std::max(backoff_.next(), attempt.after);
  return absl::OkStatus();
}

/// Takes a batch, as soon as there is room for it, and sends what waits, until an attempt fails.
void Pusher::Loop::flush_requested(Lock& lock) {
  const std::uint64_t requested = flushes_requested_;
  absl::Status lost;
  bool takes = true;
  for (std::size_t before = queue_.size() + 1; queue_.size() < before;) {
    if (takes && queue_.size() < schedule_.queue) {
      takes = false;
      lost.Update(take(lock));
    }
    before = queue_.size();
    if (before != 0) lost.Update(send(lock));
  }
  flush_sent_all_ = queue_.empty();
  flush_error_ = std::move(lost);
  flushes_done_ = requested;
  changed_.notify_all();
}

/// Ends: a last batch, even above the bound of the queue, and one attempt for each.
void Pusher::Loop::finish(Lock& lock) {
  static_cast<void>(take(lock));
  std::size_t before = queue_.size() + 1;
  while (!queue_.empty() && queue_.size() < before && endpoint::SteadyClock::now() < end_) {
    before = queue_.size();
    static_cast<void>(send(lock));
  }
  counts_.dropped += std::exchange(counts_.waiting, 0);
  queue_.clear();
}

absl::Status Pusher::Loop::flush(std::chrono::milliseconds timeout) {
  Lock lock(mutex_);
  const std::uint64_t own = ++flushes_requested_;
  changed_.notify_all();
  const auto bounded = std::clamp(timeout, std::chrono::milliseconds::zero(), endpoint::kLongest);
  const bool done = changed_.wait_for(lock, bounded, [&] { return flushes_done_ >= own; });
  if (done && flush_sent_all_) return flush_error_;
  return absl::DeadlineExceededError(absl::StrCat(counts_.waiting, " messages wait; ", last_error_.message()));
}

PushCounts Pusher::Loop::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

absl::Status Pusher::Loop::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

Pusher::Pusher(std::unique_ptr<Loop> loop) noexcept : loop_(std::move(loop)) {}
Pusher::Pusher(Pusher&&) noexcept = default;

Pusher& Pusher::operator=(Pusher&& other) noexcept {
  Pusher old(std::move(*this));
  loop_ = std::move(other.loop_);
  return *this;
}

/// In a forked child the loop is leaked, because its thread is the parent's and its mutex may be locked for ever.
Pusher::~Pusher() {
  if (loop_ != nullptr && loop_->inherited()) static_cast<void>(loop_.release());
}

absl::Status Pusher::flush(std::chrono::milliseconds timeout) {
  if (loop_ == nullptr || loop_->inherited()) return absl::FailedPreconditionError("the pusher has no thread here");
  return loop_->flush(timeout);
}

PushCounts Pusher::counts() const { return loop_ == nullptr || loop_->inherited() ? PushCounts{} : loop_->counts(); }

absl::Status Pusher::last_error() const {
  return loop_ == nullptr || loop_->inherited() ? absl::OkStatus() : loop_->last_error();
}

}  // namespace sluice
