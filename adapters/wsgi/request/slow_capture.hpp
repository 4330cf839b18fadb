// What becomes known of a request to those who look for slow ones, if anybody does.
#pragma once

#include "adapters/wsgi/request/dispatched_request.hpp"
#include "adapters/wsgi/request/exchange.hpp"
#include "adapters/wsgi/request/measurement.hpp"
#include "adapters/wsgi/request/server_facts.hpp"
#include "sluice/recorder.hpp"
#include "sluice/resources.hpp"
#include "sluice/slow_requests.hpp"

namespace sluice::wsgi {

/// For one request, on its thread. Where nobody looks each member is one branch. A request that has no slot of its own,
/// such as one inside another, is not looked at: the slot is the outer one's.
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

  /// Once all is measured.
  void finish() const noexcept {
    if (measurement_.slow != nullptr) [[unlikely]] {
      conclude();
    }
  }

  /// The request is given up.
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
