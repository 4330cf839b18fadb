#include "bindings/docstrings.hpp"

#include <string>

#include "bindings/schema.hpp"
#include "bindings/server_dict.hpp"

namespace sluice::bindings {
namespace {

const char* keep(std::string text) { return (new std::string(std::move(text)))->c_str(); }

std::string with_keys(const char* text, std::span<const Field> fields) { return text + describe(fields); }

Docstrings create() {
  return {
      .module = "What a WSGI application may ask of the process that hosts it.",
      .start_recording_metrics =
          "start_recording_metrics()\n--\n\n"
          "Begin the first window of request_metrics() now. Further calls do nothing. The state is that of the\n"
          "process, whichever interpreter or thread calls.",
      .request_metrics = keep(with_keys(
          "request_metrics()\n--\n\n"
          "Return a dict of the window since the last call, or since start_recording_metrics(), and begin the next.\n"
          "Each request is in one window, whole. Callers on several threads get disjoint windows. Return None before\n"
          "start_recording_metrics() and where an external reporter takes the metrics. Raise RuntimeError if the "
          "kernel\n"
          "refuses the drain; nothing is lost then, the next call returns it. Lists named request_threads_* have an "
          "entry\n"
          "for each worker slot, those named *_buckets 65: 16 octaves from 1 ms in quarters, then 65536 ms and "
          "above.\n\n",
          request_fields())),
      .process_metrics = keep(with_keys("process_metrics()\n--\n\n"
                                        "Return a dict of totals since the process started and of its state now, "
                                        "draining nothing. Return None before\n"
                                        "start_recording_metrics() and where an external reporter takes the metrics. "
                                        "`threads` lists the worker threads\n"
                                        "that have started, each a dict of thread_id (from 1) and request_count.\n\n",
                                        process_fields())),
      .server_metrics = keep(
          "server_metrics()\n--\n\n"
          "Return a dict of the server's scoreboard: what each process and worker of the server does now, whatever it\n"
          "serves. Return None where there is no scoreboard, as outside a server, and where the configuration does "
          "not\n"
          "allow it. Needs no start_recording_metrics(). Times are 0.0 where nothing has happened yet; text is what "
          "the\n"
          "server keeps of it, decoded as Latin-1.\n\n" +
          describe_server()),
      .slow_requests = keep(with_keys(
          "slow_requests()\n--\n\n"
          "Return a list of dicts of the requests that have lasted as long as WSGISlowRequests says: each that has\n"
          "completed since the last call, and those that are in flight, with what is known of them so far. A "
          "completed\n"
          "one is in one list; one in flight is in each until it completes, known by its thread_id and start_time. "
          "The\n"
          "list is empty without the directive. Takes nothing from any other reader.\n\n",
          slow_request_fields())),
      .metrics_reader =
          "metrics_reader(name=None)\n--\n\n"
          "Return a MetricsReader: one more consumer of windows. Each request is in one window of each reader, whole,\n"
          "and none takes anything from another or from request_metrics(). Its first window begins now, or with\n"
          "start_recording_metrics() if that comes later. `name` is for the reader's own use. Raise TypeError if it "
          "is\n"
          "neither a str nor None.",
      .metrics_reader_type =
          "A consumer of windows, made by metrics_reader(). A context manager, which closes it. One that is dropped\n"
          "is closed.",
      .reader_read =
          "read($self, /)\n--\n\n"
          "Return what request_metrics() returns, of the window since this reader's last read(). Return None where\n"
          "request_metrics() does. Raise ValueError if the reader is closed, RuntimeError as request_metrics() does.",
      .reader_close =
          "close($self, /)\n--\n\n"
          "Give the reader back: what it has not read is gone. Further calls do nothing.",
      .quantile =
          "quantile(window, phase, q)\n--\n\n"
          "Return bounds (lower, upper) of the q-quantile of a phase in a window, in whole microseconds, both "
          "included:\n"
          "of the shortest duration that at least q of the requests do not exceed. They are the ends of a bucket, or\n"
          "the window's minimum and maximum where those are tighter. `phase` is a key such as 'request_time', or "
          "short\n"
          "'request'. Return None if the window has no such durations. Raise ValueError for a q that is not from 0 to "
          "1,\n"
          "an unknown phase, and a dict that is no window; TypeError for arguments of other types.",
      .subscribe_events =
          "subscribe_events(callback, /)\n--\n\n"
          "Call callback(name, **event) for every event of this interpreter, after those that subscribed before. A "
          "dict\n"
          "that it returns is merged into the event for those after it. Return the callback, so that it serves as a\n"
          "decorator. Raise TypeError if it is not callable.",
      .subscribe_shutdown =
          "subscribe_shutdown(callback, /)\n--\n\n"
          "Call callback('process_stopping', shutdown_reason=str) when the process is about to stop, before the\n"
          "interpreter is finalised, on a thread of the host. Return the callback, so that it serves as a decorator.\n"
          "Raise TypeError if it is not callable.",
      .subscribe_signals =
          "subscribe_signals(callback, /)\n--\n\n"
          "Call callback('process_signal', signame=str, signum=int) when the process gets SIGHUP or SIGUSR2, on a\n"
          "thread of the host. Only daemon processes that serve requests deliver signals; elsewhere the call has no\n"
          "effect, and a warning in the error log shows where it was made. Return the callback, so that it serves as "
          "a\n"
          "decorator. Raise TypeError if it is not callable.",
      .request_timeout = "Raised in a request to give up on it: the client gets 504 if no response has begun.",
  };
}

}  // namespace

const Docstrings& docstrings() {
  static const Docstrings all = create();
  return all;
}

}  // namespace sluice::bindings
