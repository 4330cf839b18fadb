#include "adapters/wsgi/process/service.hpp"

#include "absl/strings/str_cat.h"
#include "adapters/wsgi/python/forked_copy.hpp"
#include "adapters/wsgi/request/slow_capture.hpp"
#include "sluice/clock.hpp"
#include "sluice/marks.hpp"

namespace sluice::wsgi {

using bindings::LogLevel;

namespace {

/// The interpreter's lock, with the wait for it counted.
class Entered {
 public:
  Entered(PyThreadState* state, Measurement& measurement) noexcept {
    const std::uint64_t start_ns = monotonic_ns();
    PyEval_RestoreThread(state);
    measurement.done.gil_waits.add(monotonic_ns() - start_ns);
  }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;
  /// A copy of the process that the application has made ends here at the latest: see ForkedCopy.
  ~Entered() {
    ForkedCopy::end_if_this();
    PyEval_SaveThread();
  }
};

/// Has the request served with the lock of its interpreter, and gives it up.
Outcome call_application(Interpreter& interpreter, PyThreadState* state, ThreadContext& thread, Exchange& exchange,
                         const DispatchedRequest& dispatched, const ServerFacts& facts, Measurement& measurement,
                         DeferredWrite& deferred) {
  const Entered entered(state, measurement);
  const Scripts::Loaded script = interpreter.scripts().load(
      dispatched.script, [&](LogLevel level, std::string_view line) { exchange.log(level, line); });
  if (script.outdated) return Outcome::kOutdated;
  if (script.forbidden) return Outcome::kForbidden;
  if (!script.module) return Outcome::kFailed;
  const RequestContext context{.interpreter = interpreter,
                               .exchange = exchange,
                               .facts = facts,
                               .script = dispatched.script.path,
                               .callable = dispatched.callable,
                               .thread_id = thread.worker().slot() + 1,
                               .measurement = measurement,
                               .deferred = deferred};
  return run_application(script.module.ptr(), context);
}

Outcome run(Runtime& runtime, ThreadContext& thread, Exchange& exchange, const DispatchedRequest& dispatched,
            const ServerFacts& facts, Measurement& measurement) {
  const absl::StatusOr<Interpreter*> found =
      runtime.interpreter(dispatched.application_group, dispatched.script.path, thread);
  if (absl::IsResourceExhausted(found.status())) return Outcome::kUnavailable;  // logged, once a minute
  Interpreter* const interpreter = found.value_or(nullptr);
  PyThreadState* const state = interpreter != nullptr ? thread.state_in(interpreter->state()) : nullptr;
  if (state == nullptr) {
    exchange.log(LogLevel::kError, absl::StrCat("There is no Python interpreter for application group '",
                                                dispatched.application_group, "'."));
    return Outcome::kFailed;
  }
  DeferredWrite deferred;
  const Outcome outcome =
      call_application(*interpreter, state, thread, exchange, dispatched, facts, measurement, deferred);
  if (deferred.pending) deferred.send(exchange, measurement);
  return outcome;
}

}  // namespace

Outcome serve(Runtime& runtime, ThreadContext& thread, Exchange& exchange, const DispatchedRequest& dispatched,
              const ServerFacts& facts) {
  Request request = thread.worker().begin(monotonic_ns());
  const std::uint64_t cpu_start_ns = thread_cpu_ns();
  Measurement measurement;
  measurement.marks.accepted_ns = dispatched.accepted_ns;
  measurement.marks.queued_ns = dispatched.queued_ns;
  measurement.marks.dispatched_ns = dispatched.dispatched_ns;
  measurement.daemon_tries = dispatched.daemon_tries;
  Recorder& recorder = runtime.host().recorder();
  SlowCapture capture(recorder, request, thread.worker().slot(), measurement);
  capture.begin(exchange, dispatched, facts);
  Outcome outcome = Outcome::kFailed;
  {
    const ThreadContext::Serving serving(thread, exchange);
    outcome = run(runtime, thread, exchange, dispatched, facts, measurement);
  }
  if (outcome == Outcome::kOutdated) {
    capture.cancel();
    request.cancel();
    return outcome;
  }
  Completion& done = measurement.done;
  if (outcome == Outcome::kForbidden) done.status = 403;
  if (outcome == Outcome::kUnavailable) done.status = 503;
  done.cpu_ns = thread_cpu_ns() - cpu_start_ns;
  done.input_read_us = measurement.input_ns / 1000;
  done.output_write_us = measurement.output_ns / 1000;
  measurement.marks.returned_ns = monotonic_ns();
  // A request that wrote nothing is answered by the server after its return: that is the nearest that is known here.
  if (measurement.marks.flushed_ns == 0) measurement.marks.flushed_ns = measurement.marks.returned_ns;
  recorder.measure_phases()(measurement.marks, done);
  capture.finish();
  request.finish(done, measurement.marks.returned_ns);
  return outcome;
}

}  // namespace sluice::wsgi
