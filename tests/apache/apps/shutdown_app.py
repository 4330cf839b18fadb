# SPDX-License-Identifier: Apache-2.0
"""Subscribes to the end of the process; what it is told, and its thread's end, go into files."""

import json
import os
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs

import mod_wsgi

OUT = Path(__file__).parent.parent / "out"
GROUP = mod_wsgi.application_group or "main"
stopping = threading.Event()


def note(kind, text):
    """Appends a line, so that a second call would show."""
    with open(OUT / f"{kind}-{GROUP}-{os.getpid()}", "a") as lines:
        lines.write(text + "\n")


@mod_wsgi.subscribe_shutdown
def stopped(name, **event):
    note("shutdown", json.dumps([name, event]))
    stopping.set()


@mod_wsgi.subscribe_events
def told(name, **event):
    if name == "process_stopping":
        note("event", json.dumps([name, event]))


def work():
    stopping.wait()
    time.sleep(0.05)
    note("thread", "ended")


threading.Thread(target=work, daemon=False).start()


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    time.sleep(float(query.get("sleep", ["0"])[0]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
