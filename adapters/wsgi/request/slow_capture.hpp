// SPDX-License-Identifier: Apache-2.0
// The progress of one request, published for readers of slow requests if the configuration asks for them.
#pragma once

#include "adapters/wsgi/request/dispatched_request.hpp"
#include "adapters/wsgi/request/exchange.hpp"
#include "adapters/wsgi/request/measurement.hpp"
#include "adapters/wsgi/request/server_facts.hpp"
#include "adapters/wsgi/schema/recorder.hpp"
#include "adapters/wsgi/schema/slow_requests.hpp"
#include "sluice/resources.hpp"

namespace sluice::wsgi {

/// For one request, on its thread. Each member is one branch when slow requests are not configured. A request without a
/// slot of its own, such as a subrequest, is not captured, because the slot belongs to the outer request.
class SlowCapture {
 public:
  SlowCapture(Recorder& recorder, const Request& request, std::size_t slot, Measurement& measurement) noexcept
      : measurement_(measurement) {
    measurement.slow = request.in_slot() ? recorder.slow_requests() : nullptr;
    measurement.slot = slot;
  }

  void begin(const Exchange& exchange, const DispatchedRequest& dispatched, const ServerFacts& facts) {
    if (measurement_.slow != nullptr) [[unlikely]] {
      describe(exchange, dispatched, facts);
    }
  }

  /// Publishes the end of the request. Called when its measurement is complete.
  void finish() const noexcept {
    if (measurement_.slow != nullptr) [[unlikely]] {
      conclude();
    }
  }

  /// Withdraws the request, which is not recorded.
  void cancel() const noexcept {
    if (measurement_.slow != nullptr) [[unlikely]] {
      measurement_.slow->cancel(measurement_.slot);
    }
  }

 private:
  [[gnu::cold]] void describe(const Exchange& exchange, const DispatchedRequest& dispatched, const ServerFacts& facts);
  [[gnu::cold]] void conclude() const noexcept;

  Measurement& measurement_;
  ThreadCpu cpu_start_;
};

}  // namespace sluice::wsgi
