// SPDX-License-Identifier: Apache-2.0
#include "adapters/harness/harness.hpp"

#include <cstdio>

#include "sluice/absl.hpp"

namespace sluice::harness {

Harness::Harness(Options options)
    : bindings::Host({.threads = options.threads,
                      .mode = options.mode,
                      .clock = &clock,
                      .slow_threshold_us = options.slow_threshold_us}),
      options_(options),
      slots_(options.threads) {}

absl::Status Harness::advance_us(std::uint64_t us) {
  return clock.advance_us(us) ? absl::OkStatus() : absl::OutOfRangeError("us is out of range");
}

absl::Status Harness::check_slot(std::size_t slot) const {
  if (slot < 1 || slot > slots_.size()) return absl::OutOfRangeError("there is no such slot");
  return absl::OkStatus();
}

absl::Status Harness::check(const wsgi::Completion& done) const {
  if (options_.mode == wsgi::Mode::kEmbedded && (done.queue_us != 0 || done.daemon_us != 0)) {
    return absl::InvalidArgumentError("queue and daemon exist in daemon mode only");
  }
  return absl::OkStatus();
}

absl::Status Harness::begin(std::size_t slot, const wsgi::RequestTexts& texts) {
  if (absl::Status status = check_slot(slot); !status.ok()) return status;
  Slot& entry = slots_[slot - 1];
  const std::lock_guard lock(entry.mutex);
  if (entry.request) return absl::FailedPreconditionError("the slot is busy");
  if (!entry.worker.has_slot()) {
    Result<wsgi::Worker> worker = recorder().attach(slot - 1);
    if (!worker.ok()) return to_absl(worker.status());
    entry.worker = *std::move(worker);
  }
  entry.request.emplace(entry.worker.begin());
  if (wsgi::SlowRequests* const slow = recorder().slow_requests()) {
    const std::uint64_t now_ns = entry.request->start_ns();
    slow->begin(slot - 1, {.accepted_ns = now_ns, .entered_ns = now_ns}, texts, 0);
  }
  return absl::OkStatus();
}

absl::Status Harness::finish(std::size_t slot, const wsgi::Completion& done) {
  if (absl::Status status = check_slot(slot); !status.ok()) return status;
  if (absl::Status status = check(done); !status.ok()) return status;
  Slot& entry = slots_[slot - 1];
  const std::lock_guard lock(entry.mutex);
  if (!entry.request) return absl::FailedPreconditionError("no request is in flight on the slot");
  entry.request->finish(done);
  if (wsgi::SlowRequests* const slow = recorder().slow_requests())
    slow->finish(slot - 1, done, {}, clock.monotonic_ns());
  entry.request.reset();
  return absl::OkStatus();
}

absl::Status Harness::request(std::size_t slot, const wsgi::Completion& done, const wsgi::RequestTexts& texts) {
  if (absl::Status status = check(done); !status.ok()) return status;
  if (absl::Status status = begin(slot, texts); !status.ok()) return status;
  return finish(slot, done);
}

void Harness::log(LogLevel, std::string_view line) const noexcept {
  std::fprintf(stderr, "sluice: %.*s\n", static_cast<int>(line.size()), line.data());
}

}  // namespace sluice::harness
