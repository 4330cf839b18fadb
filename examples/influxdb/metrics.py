# SPDX-License-Identifier: Apache-2.0
"""Report the request metrics of this process to InfluxDB, one point an interval.

Copy this file next to your application and call `enable_reporting()` once, at import time.
Where and how often is read from the environment Apache is started in (on Debian that is
/etc/apache2/envvars; what `SetEnv` sets never reaches `os.environ`):

    INFLUXDB_WRITE_URL   where the lines are posted    http://127.0.0.1:8086/write?db=wsgi
    METRICS_INTERVAL     seconds between points        1 (at least 0.1)
"""

import math
import os
import socket
import sys
import time
import traceback
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping
from http.client import HTTPException
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any
from urllib.error import HTTPError

import mod_wsgi

WRITE_URL = os.environ.get("INFLUXDB_WRITE_URL", "http://127.0.0.1:8086/write?db=wsgi")
INTERVAL = max(0.1, float(os.environ.get("METRICS_INTERVAL", "1")))
WRITE_TIMEOUT = 2.0  # seconds; only the reporter thread ever waits this long
BACKLOG = 600  # unsent lines kept while InfluxDB is away: ten minutes of one a second

MEASUREMENT = "request_metrics"
HOSTNAME = socket.gethostname()

# InfluxDB fixes the type of a field with the first point it sees and refuses any other from
# then on, so the type of each is settled here and not by the value at hand.
FLOAT_FIELDS = (
    "sample_period",
    "request_throughput",
    "capacity_utilization",
    "longest_in_flight",
    "server_time",
    "queue_time",
    "daemon_time",
    "application_time",
    "request_time",
    "input_read_time",
    "output_write_time",
    "gil_wait_time",
    "cpu_user_utilization",
    "cpu_system_utilization",
)
INTEGER_FIELDS = (
    "request_count",
    "request_threads_maximum",
    "request_threads_active",
    "requests_in_flight",
    "application_time_max_us",
    "request_time_max_us",
    "input_bytes",
    "output_bytes",
    "status_1xx",
    "status_2xx",
    "status_3xx",
    "status_4xx",
    "status_5xx",
    "memory_rss",
)

TAG_ESCAPES = str.maketrans(
    {",": r"\,", "=": r"\=", " ": r"\ ", "\\": "/", "\n": r"\ ", "\r": r"\ ", "\t": r"\ "}
)


def format_tags(tags: Mapping[str, str]) -> str:
    """The tags in order of their names; one without a value is left out, as the format demands."""
    return "".join(
        f",{name}={value.translate(TAG_ESCAPES)}" for name, value in sorted(tags.items()) if value
    )


def format_fields(values: Mapping[str, Any]) -> str:
    """The fields of the two tables; `None` and what is not finite have no spelling: left out."""
    floats = ((name, values.get(name)) for name in FLOAT_FIELDS)
    integers = ((name, values.get(name)) for name in INTEGER_FIELDS)
    return ",".join(
        [
            f"{name}={float(value)!r}"
            for name, value in floats
            if value is not None and math.isfinite(value)
        ]
        + [f"{name}={int(value)}i" for name, value in integers if value is not None]
    )


def format_line(sample: Mapping[str, Any]) -> str:
    """One window as one record of line protocol, stamped with the window's end in nanoseconds."""
    in_flight = [elapsed for elapsed in sample["request_threads_current_elapsed"] if elapsed > 0.0]
    derived = {
        "requests_in_flight": len(in_flight),
        "longest_in_flight": max(in_flight, default=0.0),
    }
    tags = {
        "hostname": HOSTNAME,
        "pid": str(sample["pid"]),
        "process_group": mod_wsgi.process_group,
    }
    timestamp = int(sample["stop_time"] * 1_000_000_000)
    return f"{MEASUREMENT}{format_tags(tags)} {format_fields({**sample, **derived})} {timestamp}"


class InfluxWriter:
    """Posts lines; those that did not arrive wait, oldest dropped first, and go with the next.

    A line posted twice does no harm: the same tags and time name the same point.
    """

    def __init__(self, url: str, timeout: float = WRITE_TIMEOUT, backlog: int = BACKLOG) -> None:
        self._url = url
        self._timeout = timeout
        self._unsent: deque[str] = deque(maxlen=backlog)
        self._trouble = ""

    def __call__(self, line: str) -> None:
        self._unsent.append(line)
        try:
            self._post("\n".join(self._unsent).encode())
        except HTTPError as error:
            if error.code == 400:  # the text itself is refused, so sending it again cannot help
                self._unsent.clear()
            reason = error.headers.get("X-Influxdb-Error", error.reason)
            self._note(f"InfluxDB answers {error.code}: {reason}")
        except (OSError, HTTPException) as error:
            self._note(f"InfluxDB is not reached, lines are kept: {error}")
        else:
            self._unsent.clear()
            self._note("")

    def _post(self, payload: bytes) -> None:
        request = urllib.request.Request(self._url, data=payload, method="POST")
        with urllib.request.urlopen(request, timeout=self._timeout):
            pass

    def _note(self, trouble: str) -> None:
        """Tell the error log when things change, not once a second."""
        if trouble != self._trouble:
            print("metrics:", trouble or "InfluxDB takes lines again", file=sys.stderr, flush=True)
            self._trouble = trouble


def next_tick(last: float, now: float, interval: float) -> float:
    """Counted from tick to tick, so nothing drifts; those that a slow write missed are skipped."""
    missed = max(0.0, now - last) // interval
    return last + (missed + 1) * interval


class Reporter:
    """A thread that drains one window an interval and hands it, as a line, to `send`."""

    def __init__(self, send: Callable[[str], None], interval: float) -> None:
        self._send = send
        self._interval = interval
        self._wake: SimpleQueue[None] = SimpleQueue()
        # Not a daemon thread: the process then waits for the last point, and sub-interpreters
        # with a GIL of their own permit no other kind.
        self._thread = Thread(target=self._run, name="metrics-reporter", daemon=False)

    def start(self) -> None:
        mod_wsgi.start_recording_metrics()
        mod_wsgi.subscribe_shutdown(self._stopping)
        self._thread.start()

    def _stopping(self, name: str, **event: Any) -> None:
        self._wake.put(None)

    def _run(self) -> None:
        due = time.monotonic() + self._interval
        while not self._stopped_before(due):
            if not self._report():
                return
            due = next_tick(due, time.monotonic(), self._interval)
        self._report()

    def _stopped_before(self, due: float) -> bool:
        try:
            self._wake.get(timeout=max(0.0, due - time.monotonic()))
        except Empty:
            return False
        return True

    def _report(self) -> bool:
        """Whether there is anything to report at all: another consumer may own the metrics."""
        try:
            sample = mod_wsgi.request_metrics()
            if sample is None:
                return False
            self._send(format_line(sample))
        except Exception:
            traceback.print_exc()  # this window is lost, and the reporter goes on
        return True


_activation = Lock()
_reporter: Reporter | None = None


def enable_reporting(send: Callable[[str], None] | None = None) -> None:
    """Start the reporter of this process; further calls do nothing.

    In embedded mode a changed application file is run again in the same process, and with it
    this call, while this module stays as it was.
    """
    global _reporter
    with _activation:
        if _reporter is None:
            _reporter = Reporter(send or InfluxWriter(WRITE_URL), INTERVAL)
            _reporter.start()
