#include "adapters/wsgi/service.hpp"

#include "absl/strings/str_cat.h"
#include "adapters/wsgi/forked_copy.hpp"
#include "adapters/wsgi/slow_capture.hpp"
#include "sluice/clock.hpp"
#include "sluice/timestamps.hpp"

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
                         const Assignment& assignment, const ServerFacts& facts, Measurement& measurement, Tail& tail) {
  const Entered entered(state, measurement);
  const Scripts::Loaded script = interpreter.scripts().load(
      assignment.script, [&](LogLevel level, std::string_view line) { exchange.log(level, line); });
  if (script.outdated) return Outcome::kOutdated;
  if (script.forbidden) return Outcome::kForbidden;
  if (!script.module) return Outcome::kFailed;
  const Call call{.interpreter = interpreter,
                  .exchange = exchange,
                  .facts = facts,
                  .script = assignment.script.path,
                  .callable = assignment.callable,
                  .thread_id = thread.worker().slot() + 1,
                  .measurement = measurement,
                  .tail = tail};
  return run_application(script.module.ptr(), call);
}

Outcome run(Runtime& runtime, ThreadContext& thread, Exchange& exchange, const Assignment& assignment,
            const ServerFacts& facts, Measurement& measurement) {
  const absl::StatusOr<Interpreter*> found =
      runtime.interpreter(assignment.application_group, assignment.script.path, thread);
  if (absl::IsResourceExhausted(found.status())) return Outcome::kUnavailable;  // logged, once a minute
  Interpreter* const interpreter = found.value_or(nullptr);
  PyThreadState* const state = interpreter != nullptr ? thread.state_in(interpreter->state()) : nullptr;
  if (state == nullptr) {
    exchange.log(LogLevel::kError, absl::StrCat("There is no Python interpreter for application group '",
                                                assignment.application_group, "'."));
    return Outcome::kFailed;
  }
  Tail tail;
  const Outcome outcome = call_application(*interpreter, state, thread, exchange, assignment, facts, measurement, tail);
  if (tail.left) tail.send(exchange, measurement);
  return outcome;
}

}  // namespace

Outcome serve(Runtime& runtime, ThreadContext& thread, Exchange& exchange, const Assignment& assignment,
              const ServerFacts& facts) {
  Request request = thread.worker().begin(monotonic_ns());
  const std::uint64_t cpu_start_ns = thread_cpu_ns();
  Measurement measurement;
  measurement.timestamps.accepted_ns = assignment.accepted_ns;
  measurement.timestamps.queued_ns = assignment.queued_ns;
  measurement.timestamps.dispatched_ns = assignment.dispatched_ns;
  measurement.daemon_tries = assignment.daemon_tries;
  Recorder& recorder = runtime.host().recorder();
  SlowCapture capture(recorder, request, thread.worker().slot(), measurement);
  capture.begin(exchange, assignment, facts);
  Outcome outcome = Outcome::kFailed;
  {
    const ThreadContext::Serving serving(thread, exchange);
    outcome = run(runtime, thread, exchange, assignment, facts, measurement);
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
  measurement.timestamps.returned_ns = monotonic_ns();
  // A request that wrote nothing is answered by the server after its return: that is the nearest that is known here.
  if (measurement.timestamps.flushed_ns == 0) measurement.timestamps.flushed_ns = measurement.timestamps.returned_ns;
  recorder.measure_phases()(measurement.timestamps, done);
  capture.finish();
  request.finish(done, measurement.timestamps.returned_ns);
  return outcome;
}

}  // namespace sluice::wsgi
