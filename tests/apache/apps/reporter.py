# SPDX-License-Identifier: Apache-2.0
"""Drains the process's metrics on a thread; each window becomes a JSON line of a file per thread.

The last window is written when the process stops.
"""

import json
import os
import threading
from pathlib import Path

import mod_wsgi

OUT = Path(__file__).parent.parent / "out"

_stopping = threading.Event()
_threads = []


def start(period=0.005, threads=1):
    """Enables recording and starts to drain; further calls have no effect."""
    if _threads:
        return
    mod_wsgi.start_recording_metrics()
    mod_wsgi.subscribe_shutdown(_stop)
    for number in range(threads):
        path = OUT / f"windows-{os.getpid()}-{number}.jsonl"
        thread = threading.Thread(target=_report, args=(path, period), daemon=False)
        _threads.append(thread)
        thread.start()


def _stop(name, **event):
    _stopping.set()


def _report(path, period):
    with open(path, "ab", buffering=0) as lines:
        stopping = False
        while not stopping:
            stopping = _stopping.wait(period)
            window = mod_wsgi.request_metrics()
            process = mod_wsgi.process_metrics()
            entry = {"last": stopping, "window": window, "process": process}
            lines.write(json.dumps(entry).encode("ascii") + b"\n")
