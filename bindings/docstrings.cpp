// SPDX-License-Identifier: Apache-2.0
#include "bindings/docstrings.hpp"

#include <string>

#include "bindings/schema.hpp"
#include "bindings/server_dict.hpp"

namespace sluice::bindings {
namespace {

/// Copies a text to memory that is never freed.
const char* keep(std::string text) { return (new std::string(std::move(text)))->c_str(); }

std::string with_keys(const char* text, std::span<const Field> fields) { return text + describe(fields); }

Docstrings create() {
  return {
      .module = "Metrics and events of the process that hosts a WSGI application.",
      .start_recording_metrics =
          "start_recording_metrics()\n"
          "--\n"
          "\n"
          "Begin the first window of request_metrics(). Further calls do nothing. The state belongs to the process,\n"
          "whichever interpreter or thread calls.",
      .request_metrics = keep(with_keys(
          "request_metrics()\n"
          "--\n"
          "\n"
          "Return the metrics of the requests since the last call, or since start_recording_metrics(), as a dict.\n"
          "Each completed request is counted in exactly one such window, with all its values. Concurrent callers get\n"
          "disjoint windows. Return None before start_recording_metrics() and while an external reporter takes the\n"
          "metrics. Raise RuntimeError when the kernel refuses the drain, and MemoryError; the next call then returns\n"
          "the same requests. Keys of phases, such as server_time, are means of the requests. Lists named\n"
          "request_threads_* have one entry for each worker slot. Lists named *_buckets have 65 entries: 16 octaves\n"
          "from 1 ms, each in four parts, then 65536 ms and above.\n"
          "\n",
          request_fields())),
      .process_metrics = keep(with_keys(
          "process_metrics()\n"
          "--\n"
          "\n"
          "Return totals since the process started, and its present state, as a dict. Take nothing from any window.\n"
          "Return None before start_recording_metrics() and while an external reporter takes the metrics. `threads`\n"
          "lists the worker threads that have started, each as a dict of thread_id (from 1) and request_count.\n"
          "\n",
          process_fields())),
      .server_metrics = keep(
          "server_metrics()\n"
          "--\n"
          "\n"
          "Return the server's scoreboard as a dict: the state of each process and worker, including those that\n"
          "serve other content. Return None where there is no scoreboard, as outside a server, and where the\n"
          "configuration does not allow it. Work without start_recording_metrics(). Times are 0.0 for events that\n"
          "have not happened. Text is decoded as Latin-1.\n"
          "\n" +
          describe_server()),
      .slow_requests = keep(with_keys(
          "slow_requests()\n"
          "--\n"
          "\n"
          "Return a list of dicts, one for each request that has lasted at least WSGISlowRequests: those that have\n"
          "completed since the last call, and those in flight, with the values known so far. A completed request is\n"
          "in one list only. A request in flight is in every list until it completes, with the same thread_id and\n"
          "start_time. Return an empty list without the directive. Take nothing from any other reader.\n"
          "\n",
          slow_request_fields())),
      .metrics_reader =
          "metrics_reader(name=None)\n"
          "--\n"
          "\n"
          "Return a MetricsReader, an additional consumer of windows. Each completed request is in exactly one window\n"
          "of each reader. Readers take nothing from each other or from request_metrics(). The first window begins\n"
          "now, or with start_recording_metrics() if that comes later. `name` is a label for the caller's own use.\n"
          "Raise TypeError when it is neither a str nor None.",
      .metrics_reader_type =
          "A consumer of windows, returned by metrics_reader(). It is a context manager that closes itself. Dropping\n"
          "the last reference closes it, too.",
      .reader_read =
          "read($self, /)\n"
          "--\n"
          "\n"
          "Return the metrics of the requests since this reader's last read(), as the dict of request_metrics().\n"
          "Return None where request_metrics() does. Raise ValueError when the reader is closed, and RuntimeError as\n"
          "request_metrics() does.",
      .reader_close =
          "close($self, /)\n"
          "--\n"
          "\n"
          "Close the reader. Requests that it has not read are dropped for this reader only. Further calls do nothing.",
      .quantile =
          "quantile(window, phase, q)\n"
          "--\n"
          "\n"
          "Return bounds (lower, upper) for the q-quantile of a phase in a window, in whole microseconds, both\n"
          "inclusive. The q-quantile is the shortest duration that at least the fraction q of the requests did not\n"
          "exceed. The bounds are the limits of a bucket, or the minimum and maximum of the window where these are\n"
          "tighter. `phase` is a key such as 'request_time', or in short 'request'. Return None when the window has "
          "no\n"
          "durations of the phase. Raise ValueError for a q outside 0 to 1, an unknown phase, and a dict that is no\n"
          "window; raise TypeError for arguments of other types.",
      .subscribe_events =
          "subscribe_events(callback, /)\n"
          "--\n"
          "\n"
          "Call callback(name, **event) for every event of this interpreter, after the callbacks that subscribed\n"
          "earlier. A dict that it returns is merged into the event for later callbacks. Return the callback, for use\n"
          "as a decorator. Raise TypeError when it is not callable.",
      .subscribe_shutdown =
          "subscribe_shutdown(callback, /)\n"
          "--\n"
          "\n"
          "Call callback('process_stopping', shutdown_reason=str) when the process is about to stop, before the\n"
          "interpreter is finalized, on a thread of the host. Return the callback, for use as a decorator. Raise\n"
          "TypeError when it is not callable.",
      .subscribe_signals =
          "subscribe_signals(callback, /)\n"
          "--\n"
          "\n"
          "Call callback('process_signal', signame=str, signum=int) when the process receives SIGHUP or SIGUSR2, on a\n"
          "thread of the host. Only daemon processes that serve requests deliver signals. Elsewhere the call has no\n"
          "effect, and a line in the error log shows where it was made. Return the callback, for use as a\n"
          "decorator. Raise TypeError when it is not callable.",
      .request_timeout =
          "Raised by an application to give up a request, and by the server in a request that exceeds request-timeout\n"
          "where interrupt-timeout is set. The client gets 504 unless a response has begun.",
  };
}

}  // namespace

const Docstrings& docstrings() {
  static const Docstrings all = create();
  return all;
}

}  // namespace sluice::bindings
