// SPDX-License-Identifier: Apache-2.0
#include "adapters/telemetry/reporter.hpp"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cmath>
#include <exception>

#include "absl/strings/str_cat.h"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::telemetry {
namespace {

/// Longest time that the end of the process waits for the reporter's thread.
constexpr std::chrono::milliseconds kShutdownWait{500};
/// Retries when the queue of the service is full, which a burst of datagrams can fill. No sample follows the last one,
/// so its process waits longer.
constexpr int kRetries = 50;
constexpr int kLastRetries = 500;

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

double wall_seconds() { return static_cast<double>(system_clock().wall_ns()) / 1e9; }

double slow_threshold(wsgi::Recorder& recorder) {
  const wsgi::SlowRequests* const slow = recorder.slow_requests();
  return slow != nullptr ? seconds_of_us(slow->threshold_us()) : 0.0;
}

Identity completed(Identity identity) {
  identity.hostname = host_name();
  identity.pid = static_cast<std::uint32_t>(::getpid());
  identity.parent_pid = static_cast<std::uint32_t>(::getppid());
  return identity;
}

}  // namespace

Reporter::Reporter(const Settings& settings, Identity identity, wsgi::Recorder& recorder, LogSink log)
    : intervals_{.interval = settings.interval, .slow_threshold = slow_threshold(recorder)},
      identity_(completed(std::move(identity))),
      recorder_(recorder),
      reader_(recorder.add_reader()),
      log_(log),
      sender_(settings.path, std::move(log)),
      started_(wall_seconds()),
      started_ns_(monotonic_ns()) {
  if (recorder.slow_requests() != nullptr) slow_reader_.emplace(*recorder.slow_requests());
}

void Reporter::start() {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  phase_ = Phase::kRunning;
  sending_ = true;
  pthread_t thread{};
  const int error = ::pthread_create(&thread, nullptr, run, this);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    phase_ = Phase::kStopped;
    sending_ = false;
    return log_(LogLevel::kWarning,
                "SLC0150: no thread can be created for the telemetry reporter; this process sends no telemetry.");
  }
  ::pthread_detach(thread);
}

void* Reporter::run(void* reporter) noexcept {
  auto& self = *static_cast<Reporter*>(reporter);
  bool has_turn = true;
  try {
    self.report();
    has_turn = false;
  } catch (const std::exception& error) {
    self.log_early_end(error);
  }
  const std::lock_guard lock(self.mutex_);
  if (has_turn) self.sending_ = false;
  self.phase_ = Phase::kStopped;
  self.changed_.notify_all();
  return nullptr;
}

void Reporter::log_early_end(const std::exception& error) const {
  log_(LogLevel::kWarning, absl::StrCat("SLC0151: the telemetry reporter ends early: ", error.what(),
                                        "; this process sends no more telemetry."));
}

/// Sends datagrams until the process ends. Has the turn to send at first, and in each round; not when it returns.
void Reporter::report() {
  const auto interval_ns = static_cast<std::uint64_t>(intervals_.interval * 1e9);
  std::uint64_t due_ns = started_ns_ + interval_ns;
  log_(LogLevel::kInfo, absl::StrCat("SLC0152: telemetry is sent every ", intervals_.interval, " seconds."));
  sender_.begin_series(kRetries);
  send_started();
  sender_.end_series();
  while (wait_for_sample(due_ns)) {
    sender_.begin_series(kRetries);
    send_sample();
    sender_.end_series();
    // Skips the samples that a late one has missed.
    const std::uint64_t now_ns = monotonic_ns();
    while (due_ns <= now_ns) due_ns += interval_ns;
  }
}

/// Gives the turn to send back, and takes it again when a sample is due. Returns false without it when the process
/// ends.
bool Reporter::wait_for_sample(std::uint64_t due_ns) {
  std::unique_lock lock(mutex_);
  sending_ = false;
  changed_.notify_all();
  const std::uint64_t now_ns = monotonic_ns();
  const std::chrono::nanoseconds left(due_ns > now_ns ? due_ns - now_ns : 0);
  const auto ends = [this] { return phase_ != Phase::kRunning; };
  changed_.wait_until(lock, std::chrono::steady_clock::now() + left, ends);
  changed_.wait(lock, [&] { return ends() || !sending_; });
  if (ends()) return false;
  sending_ = true;
  return true;
}

/// Takes the turn to send for the thread that ends the process. Returns false when another thread keeps it.
bool Reporter::take_turn(std::unique_lock<std::mutex>& lock, std::string_view reason) {
  const auto deadline = std::chrono::steady_clock::now() + kShutdownWait;
  if (!changed_.wait_until(lock, deadline, [this] { return !sending_; })) return false;
  sending_ = true;
  if (reason_.empty()) reason_ = reason;
  return true;
}

/// Sends a series for the thread that ends the process, and gives the turn back.
void Reporter::send_last(void (Reporter::*series)()) noexcept {
  try {
    sender_.begin_series(kLastRetries);
    (this->*series)();
    sender_.end_series();
  } catch (const std::exception& error) {
    log_early_end(error);
  }
  const std::lock_guard lock(mutex_);
  sending_ = false;
  changed_.notify_all();
}

void Reporter::announce_end(std::string_view reason) noexcept {
  if (static_cast<std::uint32_t>(::getpid()) != identity_.pid) return;
  {
    std::unique_lock lock(mutex_);
    if (phase_ != Phase::kRunning || !take_turn(lock, reason)) return;
  }
  send_last(&Reporter::send_stopping);
}

void Reporter::stop(std::string_view reason) noexcept {
  if (static_cast<std::uint32_t>(::getpid()) != identity_.pid) return;
  std::unique_lock lock(mutex_);
  if (phase_ == Phase::kRunning) {
    phase_ = Phase::kStopping;
    changed_.notify_all();
    if (take_turn(lock, reason)) {
      lock.unlock();
      send_last(&Reporter::send_end);
      lock.lock();
    }
  }
  const auto deadline = std::chrono::steady_clock::now() + kShutdownWait;
  changed_.wait_until(lock, deadline, [this] { return phase_ == Phase::kStopped && !sending_; });
}

Datagram::Header Reporter::header() const {
  return {.pid = identity_.pid, .sequence = sequence_, .stamp = wall_seconds()};
}

void Reporter::send(const Datagram& datagram) { sender_.send(datagram.bytes()); }

void Reporter::send_started() {
  send(process_started(identity_, {.pid = identity_.pid, .sequence = sequence_, .stamp = started_}));
}

void Reporter::send_stopping() {
  send(process_stopping(identity_, header(),
                        {.reason = reason_, .active_requests = recorder_.totals().active_requests}));
  announced_ = true;
}

/// Sends the last sample and the summary, and before them the announcement, if there was no turn for it.
void Reporter::send_end() {
  if (!announced_) send_stopping();
  send_sample();
  const ProcessTotals totals = recorder_.totals();
  send(process_stopped(identity_, header(), {.reason = reason_, .active_requests = totals.active_requests},
                       {.uptime = seconds_of_ns(monotonic_ns() - started_ns_),
                        .request_count = totals.request_count,
                        .graceful = totals.active_requests == 0}));
}

void Reporter::send_sample() {
  // When the kernel refuses the drain, the next window includes this one.
  if (reader_.drain(window_).ok()) send(request_metrics(identity_, intervals_, window_, ++sequence_));
  if (collections_ != nullptr) send_collections();
  if (!slow_reader_) return;
  const std::vector<wsgi::SlowRequest> slow = slow_reader_->drain();
  for (const wsgi::SlowRequest& request : slow) send(slow_request(request, header()));
}

void Reporter::send_collections() {
  const Collections collections = collections_->drain();
  send(collection_snapshot(collections.counters, collections.dropped, header()));
  for (const CollectionEvent& event : collections.events) send(collection_event(event, header()));
}

}  // namespace sluice::telemetry
