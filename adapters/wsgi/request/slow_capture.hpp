// SPDX-License-Identifier: Apache-2.0
// The progress of one request, published for readers of slow requests and for the metrics endpoint if the configuration
// asks for either.
#pragma once

#include "adapters/wsgi/request/dispatched_request.hpp"
#include "adapters/wsgi/request/exchange.hpp"
#include "adapters/wsgi/request/measurement.hpp"
#include "adapters/wsgi/request/server_facts.hpp"
#include "adapters/wsgi/schema/recorder.hpp"
#include "adapters/wsgi/schema/slow_requests.hpp"
#include "sluice/resources.hpp"

namespace sluice::wsgi {

/// For one request, on its thread. Each member is one branch when neither is configured. A request without a
/// slot of its own, such as a subrequest, is not captured, because the slot belongs to the outer request.
class SlowCapture {
 public:
  SlowCapture(Recorder& recorder, const Request& request, std::size_t slot, Measurement& measurement) noexcept
      : measurement_(measurement) {
    measurement.slow = request.in_slot() ? recorder.slow_requests() : nullptr;
    measurement.slot = slot;
    board_ = request.in_slot() ? recorder.request_board() : nullptr;
    captures_ = measurement.slow != nullptr || board_ != nullptr;
  }

  void begin(const Exchange& exchange, const DispatchedRequest& dispatched, const ServerFacts& facts) {
    if (captures_) [[unlikely]] {
      describe(exchange, dispatched, facts);
    }
  }

  /// Publishes the end of the request. Called when its measurement is complete.
  void finish() const noexcept {
    if (captures_) [[unlikely]] {
      conclude();
    }
  }

  /// Withdraws the request, which is not recorded.
  void cancel() const noexcept {
    if (captures_) [[unlikely]] {
      withdraw();
    }
  }

 private:
  [[gnu::cold]] void describe(const Exchange& exchange, const DispatchedRequest& dispatched, const ServerFacts& facts);
  [[gnu::cold]] void conclude() const noexcept;
  [[gnu::cold]] void withdraw() const noexcept;

  Measurement& measurement_;
  ThreadCpu cpu_start_;
  const ProcessBoard* board_;  ///< Board of the process; null when the endpoint lists no requests.
  bool captures_;
};

}  // namespace sluice::wsgi
