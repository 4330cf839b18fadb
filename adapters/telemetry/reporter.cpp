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

/// Longest time that the end of the process waits for the last datagrams.
constexpr std::chrono::milliseconds kShutdownWait{500};

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
  pthread_t thread{};
  const int error = ::pthread_create(&thread, nullptr, run, this);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    phase_ = Phase::kStopped;
    return log_(LogLevel::kWarning,
                "SLC0150: no thread can be created for the telemetry reporter; this process sends no telemetry.");
  }
  ::pthread_detach(thread);
}

void* Reporter::run(void* reporter) noexcept {
  auto& self = *static_cast<Reporter*>(reporter);
  try {
    self.report();
  } catch (const std::exception& error) {
    self.log_(LogLevel::kWarning, absl::StrCat("SLC0151: the telemetry reporter ends early: ", error.what(),
                                               "; this process sends no more telemetry."));
    self.set_reached(Phase::kStopped);
  }
  return nullptr;
}

/// Sends datagrams until the process ends.
void Reporter::report() {
  const auto interval_ns = static_cast<std::uint64_t>(intervals_.interval * 1e9);
  std::uint64_t due_ns = started_ns_ + interval_ns;
  log_(LogLevel::kInfo, absl::StrCat("SLC0152: telemetry is sent every ", intervals_.interval, " seconds."));
  sender_.begin_series();
  send_started();
  sender_.end_series();
  while (true) {
    const Phase requested = wait(due_ns);
    sender_.begin_series();
    if (requested == Phase::kAnnouncing) {
      send_stopping();
      sender_.end_series();
      set_reached(Phase::kAnnounced);
      continue;
    }
    send_sample();
    if (requested == Phase::kStopping) {
      send_stopped();
      return set_reached(Phase::kStopped);
    }
    sender_.end_series();
    // Skips the samples that a late one has missed.
    const std::uint64_t now_ns = monotonic_ns();
    while (due_ns <= now_ns) due_ns += interval_ns;
  }
}

Reporter::Phase Reporter::wait(std::uint64_t deadline_ns) {
  std::unique_lock lock(mutex_);
  const auto is_requested = [this] { return phase_ == Phase::kAnnouncing || phase_ == Phase::kStopping; };
  const std::uint64_t now_ns = monotonic_ns();
  const std::chrono::nanoseconds left(deadline_ns > now_ns ? deadline_ns - now_ns : 0);
  changed_.wait_until(lock, std::chrono::steady_clock::now() + left, is_requested);
  last_reason_ = reason_;
  return phase_;
}

void Reporter::set_reached(Phase done) {
  const std::lock_guard lock(mutex_);
  if (phase_ < done) phase_ = done;
  changed_.notify_all();
}

void Reporter::advance(Phase requested, Phase done, std::string_view reason) {
  if (static_cast<std::uint32_t>(::getpid()) != identity_.pid) return;
  std::unique_lock lock(mutex_);
  if (phase_ < requested) {
    phase_ = requested;
    if (reason_.empty()) reason_ = reason;
    changed_.notify_all();
  }
  changed_.wait_until(lock, std::chrono::steady_clock::now() + kShutdownWait, [&] { return phase_ >= done; });
}

void Reporter::announce_end(std::string_view reason) { advance(Phase::kAnnouncing, Phase::kAnnounced, reason); }

void Reporter::stop(std::string_view reason) { advance(Phase::kStopping, Phase::kStopped, reason); }

Datagram::Header Reporter::header() const {
  return {.pid = identity_.pid, .sequence = sequence_, .stamp = wall_seconds()};
}

void Reporter::send(const Datagram& datagram) { sender_.send(datagram.bytes()); }

void Reporter::send_started() {
  send(process_started(identity_, {.pid = identity_.pid, .sequence = sequence_, .stamp = started_}));
}

void Reporter::send_stopping() {
  send(process_stopping(identity_, header(),
                        {.reason = last_reason_, .active_requests = recorder_.totals().active_requests}));
}

void Reporter::send_stopped() {
  const ProcessTotals totals = recorder_.totals();
  send(process_stopped(identity_, header(), {.reason = last_reason_, .active_requests = totals.active_requests},
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
