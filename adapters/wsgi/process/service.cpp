// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/process/service.hpp"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "adapters/wsgi/process/interruptible.hpp"
#include "adapters/wsgi/python/gil.hpp"
#include "adapters/wsgi/request/request_events.hpp"
#include "adapters/wsgi/request/response.hpp"
#include "adapters/wsgi/request/slow_capture.hpp"
#include "adapters/wsgi/schema/timestamps.hpp"
#include "sluice/clock.hpp"

namespace sluice::wsgi {
namespace {

/// A request that this thread serves: recorded from its construction to complete() or cancel(), of which the caller
/// calls exactly one.
class ServedRequest {
 public:
  ServedRequest(Runtime& runtime, ThreadContext& thread, Exchange& exchange, const DispatchedRequest& dispatched,
                const ServerFacts& facts)
      : runtime_(runtime),
        thread_(thread),
        exchange_(exchange),
        dispatched_(dispatched),
        facts_(facts),
        request_(thread.worker().begin(monotonic_ns())),
        cpu_start_ns_(thread_cpu_ns()),
        measurement_{.timestamps = dispatched.timestamps},
        capture_(runtime.host().recorder(), request_, thread.worker().slot(), measurement_) {
    capture_.begin(exchange, dispatched, facts);
  }

  /// Runs the application and sends its response.
  [[nodiscard]] Outcome run();

  /// Records the request.
  void complete(Outcome outcome) noexcept;

  /// Ends the request without a record.
  void cancel() noexcept {
    capture_.cancel();
    request_.cancel();
  }

 private:
  [[nodiscard]] Outcome run_in(Interpreter& interpreter, PyThreadState* state, DeferredWrite& deferred);
  void send(const DeferredWrite& deferred);

  Runtime& runtime_;
  ThreadContext& thread_;
  Exchange& exchange_;
  const DispatchedRequest& dispatched_;
  const ServerFacts& facts_;
  Request request_;
  std::uint64_t cpu_start_ns_;
  Measurement measurement_;
  SlowCapture capture_;
};

/// Loads the script and calls its application with the GIL of `interpreter`.
Outcome ServedRequest::run_in(Interpreter& interpreter, PyThreadState* state, DeferredWrite& deferred) {
  const WithGil gil(state, &measurement_.done.gil_waits);
  const Interruptible::Scope inside(dispatched_.interruptible, interpreter, dispatched_.timestamps.dispatched_ns);
  const RequestContext context{.objects = interpreter.objects(),
                               .exchange = exchange_,
                               .facts = facts_,
                               .dispatched = dispatched_,
                               .thread_id = thread_.worker().slot() + 1,
                               .measurement = measurement_,
                               .deferred = deferred};
  RequestEvents events(context);  // a script may ask for the data of the request while it is loaded
  const Scripts::Loaded script = interpreter.scripts().load(
      dispatched_.script, [&](LogLevel level, std::string_view line) { exchange_.log(level, line); });
  if (script.outdated) return Outcome::kOutdated;
  if (script.forbidden) return Outcome::kForbidden;
  if (!script.module) return Outcome::kFailed;
  interpreter.collections().refresh();
  return run_application(script.module.ptr(), context, events);
}

/// Sends the end of the response and logs a failure, without the GIL.
void ServedRequest::send(const DeferredWrite& deferred) {
  const std::string_view block(deferred.data);
  const absl::Span<const std::string_view> blocks(&block, block.empty() ? 0 : 1);
  const absl::Status status =
      measurement_.measure_write(block.size(), [&] { return exchange_.write(blocks, deferred.complete); });
  if (absl::IsCancelled(status)) {
    log_client_gone(exchange_);
  } else if (!status.ok()) {
    exchange_.log(LogLevel::kError, absl::StrCat("SLC0125: the end of a response could not be written: ",
                                                 status.message(), "; the connection is closed."));
    exchange_.break_off();
  } else if (!deferred.complete) {
    log_short_response(exchange_);
    exchange_.break_off();
  }
}

Outcome ServedRequest::run() {
  const ThreadContext::Serving serving(thread_, exchange_);
  const absl::StatusOr<Interpreter*> interpreter =
      runtime_.interpreter(dispatched_.application_group, dispatched_.script.path, thread_);
  if (absl::IsResourceExhausted(interpreter.status())) return Outcome::kUnavailable;  // already logged
  PyThreadState* const state =
      interpreter.value_or(nullptr) != nullptr ? thread_.state_in((*interpreter)->state()) : nullptr;
  if (state == nullptr) {
    exchange_.log(LogLevel::kError, absl::StrCat("SLC0138: a request is answered with 500, because application group '",
                                                 dispatched_.application_group, "' has no Python interpreter."));
    return Outcome::kFailed;
  }
  DeferredWrite deferred;
  const Outcome outcome = run_in(**interpreter, state, deferred);
  if (deferred.pending) send(deferred);
  return outcome;
}

void ServedRequest::complete(Outcome outcome) noexcept {
  Completion& done = measurement_.done;
  if (outcome == Outcome::kForbidden) done.status = 403;
  if (outcome == Outcome::kUnavailable) done.status = 503;
  done.cpu_ns = thread_cpu_ns() - cpu_start_ns_;
  done.input_read_us = measurement_.input_ns / 1000;
  done.output_write_us = measurement_.output_ns / 1000;
  Timestamps& timestamps = measurement_.timestamps;
  timestamps.returned_ns = monotonic_ns();
  // The server answers a request that wrote nothing after this function returns, so the return is the nearest known
  // instant.
  if (timestamps.flushed_ns == 0) timestamps.flushed_ns = timestamps.returned_ns;
  runtime_.host().recorder().measure_phases()(timestamps, done);
  capture_.finish();
  request_.finish(done, timestamps.returned_ns);
}

}  // namespace

Outcome serve(Runtime& runtime, ThreadContext& thread, Exchange& exchange, const DispatchedRequest& dispatched,
              const ServerFacts& facts) {
  ServedRequest request(runtime, thread, exchange, dispatched, facts);
  const Outcome outcome = request.run();
  if (outcome == Outcome::kOutdated) {
    request.cancel();
  } else {
    request.complete(outcome);
  }
  return outcome;
}

}  // namespace sluice::wsgi
