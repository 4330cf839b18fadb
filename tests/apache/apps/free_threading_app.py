# SPDX-License-Identifier: Apache-2.0
"""An application whose threads use at once what they share."""

import ctypes
import gc
import json
import os
import sys
import threading
import time
from pathlib import Path

import mod_wsgi

OUT = Path(__file__).parent.parent / "out"
LINES = 40

with (OUT / f"loads-{os.getpid()}").open("a") as loads:
    loads.write("loaded\n")
time.sleep(0.2)  # for requests that arrive meanwhile

first_window = threading.Lock()


def gil(environ):
    """Python's own description of its GIL, and the cost of attaching to it."""
    mod_wsgi.start_recording_metrics()
    return {"enabled": sys._is_gil_enabled() if hasattr(sys, "_is_gil_enabled") else True, "pid": os.getpid()}


def window(environ):
    return mod_wsgi.request_metrics()


def subscribe(environ):
    """Another subscriber, and what the ones before it have made of this request."""

    @mod_wsgi.subscribe_events
    def count(name, **event):
        if "request_data" in event:
            data = event["request_data"]
            data[name] = data.get(name, 0) + 1

    data = mod_wsgi.request_data()
    return {"started": data.get("request_started", 0), "active": environ["mod_wsgi.request_id"] in mod_wsgi.active_requests}


def lines(environ):
    """Whole lines, from the thread of the request and from one of its own."""
    tag = environ["QUERY_STRING"]

    def write(kind):
        for number in range(LINES):
            sys.stderr.write(f"<{tag} {kind} {number} {'x' * 60}>\n")

    own = threading.Thread(target=write, args=("own",))
    own.start()
    write("request")
    own.join()
    return "written"


def shared_input(environ):
    """Two threads that read one body: each byte is read once, and a read that is refused says so."""
    parts = []
    refused = []

    def read():
        while True:
            try:
                part = environ["wsgi.input"].read(100)
            except RuntimeError as error:
                refused.append(str(error))
                continue
            if not part:
                return
            parts.append(part)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all("while another thread reads it" in error for error in refused), refused
    return sum(map(len, parts))


def stuck(environ):
    """Holds its thread attached to the interpreter, and lets another one ask for a stop of all threads."""
    collector = threading.Thread(target=lambda: [time.sleep(0.5), gc.collect()], daemon=True)
    collector.start()
    ctypes.PyDLL(None).sleep(30)
    return "awake"


def sleeps(environ):
    time.sleep(float(environ["QUERY_STRING"]))
    return "awake"


def application(environ, start_response):
    name = environ["PATH_INFO"][1:].replace("-", "_")
    if name == "written":
        # The serving thread and another one both use the response.
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        other = threading.Thread(target=lambda: [write(b"o" * 10) for _ in range(50)])
        other.start()
        for _ in range(50):
            write(b"s" * 10)
        if environ["QUERY_STRING"] == "join":
            other.join()
        return []
    result = json.dumps(globals()[name](environ)).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(result)))])
    return [result]
