import os
import socket
import time
import traceback
import urllib.request

from queue import Queue, Empty
from threading import Thread

import mod_wsgi

HOSTNAME = socket.gethostname()
PID = os.getpid()
PROCESS = f"{HOSTNAME}:{PID}"

INTERVAL = 1.0
INFLUXDB_URL = "http://influxdb.local:8086/write?db=wsgi"

queue = Queue()

def format_line(metrics, timestamp_ns):
    """Build an InfluxDB line-protocol record.

    Line protocol is plain ASCII; assembling it is a couple of
    f-strings. JSON marshalling and the dict-of-dicts the JSON
    clients want is far more expensive at sub-second cadence,
    so we format the wire bytes directly.
    """
    return (
        f"request-metrics,hostname={HOSTNAME},process={PROCESS} "
        f"request_throughput={metrics['request_throughput']},"
        f"capacity_utilization={metrics['capacity_utilization']} "
        f"{timestamp_ns}"
    )

def write_to_influxdb(payload):
    request = urllib.request.Request(
        INFLUXDB_URL, data=payload.encode("ascii"), method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=2.0):
            pass
    except Exception:
        traceback.print_exc()

def report_once():
    metrics = mod_wsgi.request_metrics()
    if metrics is None:
        return
    timestamp_ns = int(metrics["stop_time"] * 1_000_000_000)
    write_to_influxdb(format_line(metrics, timestamp_ns))

def collector():
    next_tick = time.time() + INTERVAL
    while True:
        timeout = max(0.0, next_tick - time.time())
        try:
            queue.get(timeout=timeout)
        except Empty:
            report_once()
            next_tick += INTERVAL
            continue

        # Sentinel from the shutdown handler: flush and exit.
        report_once()
        return

# daemon=False so process_stopping can join us cleanly, and so
# the module is also usable inside a per-interpreter-GIL sub
# interpreter (where daemon threads are not permitted).
thread = Thread(target=collector, daemon=False)

def shutdown_handler(name, **kwargs):
    queue.put(None)

_started = False

def enable_reporting():
    # Guard against double activation: in embedded mode a
    # modified wsgi.py is reloaded in the same process, which
    # re-runs the wsgi.py top-level import-and-call. The
    # second call would otherwise hit Thread.start() on the
    # already-running thread and raise RuntimeError.
    global _started
    if _started:
        return
    _started = True

    mod_wsgi.start_recording_metrics()
    mod_wsgi.subscribe_shutdown(shutdown_handler)
    thread.start()
