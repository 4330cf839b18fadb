# SPDX-License-Identifier: Apache-2.0
"""Shows what an interpreter shares with others, and what works in it."""

import json
import os
import sys
import threading

import mod_wsgi
import shared_state


def visit(environ):
    shared_state.visits.append(environ["SCRIPT_NAME"])
    return shared_state.visits


def attributes(environ):
    return {
        "application_group": mod_wsgi.application_group,
        "process_group": mod_wsgi.process_group,
        "maximum_processes": mod_wsgi.maximum_processes,
        "threads_per_process": mod_wsgi.threads_per_process,
        "version": mod_wsgi.version,
        "in_environ": environ["mod_wsgi.application_group"],
        "pid": os.getpid(),
        "thread": environ["mod_wsgi.thread_id"],
        "executable": os.path.basename(sys.executable or ""),
    }


def standard_library(environ):
    """Uses modules with C parts that are known to be delicate in sub-interpreters."""
    import ctypes
    import datetime
    import decimal
    import hashlib
    import pickle
    import sqlite3
    import zlib

    value = decimal.Decimal("1.10") + decimal.Decimal("2.20")
    moment = datetime.datetime.strptime("2020-02-29", "%Y-%m-%d")
    rows = sqlite3.connect(":memory:").execute("select 1 + 1").fetchall()
    return [
        str(pickle.loads(pickle.dumps(value))),
        moment.isoformat(),
        rows,
        ctypes.sizeof(ctypes.c_int64),
        hashlib.sha256(b"").hexdigest()[:8],
        zlib.decompress(zlib.compress(b"zipped")).decode(),
        in_a_thread(lambda: threading.current_thread().name),
    ]


def in_a_thread(function):
    results = []
    thread = threading.Thread(target=lambda: results.append(function()), name="helper")
    thread.start()
    thread.join()
    return results[0]


def record(environ):
    """Enables recording, drains, and tells what was recorded for the whole process."""
    mod_wsgi.start_recording_metrics()
    window = mod_wsgi.request_metrics()
    return {"window": window["request_count"], "pid": window["pid"]}


def recorded(environ):
    window = mod_wsgi.request_metrics()
    return None if window is None else window["request_count"]


ROUTES = {
    "/visit": visit,
    "/attributes": attributes,
    "/standard-library": standard_library,
    "/record": record,
    "/recorded": recorded,
}


def application(environ, start_response):
    body = json.dumps(ROUTES[environ["PATH_INFO"]](environ)).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
