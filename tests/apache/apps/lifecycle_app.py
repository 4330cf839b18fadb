# SPDX-License-Identifier: Apache-2.0
"""Takes its time, in ways that its query names, and notes why its process ends."""

import ctypes
import os
import resource
import time
from pathlib import Path
from urllib.parse import parse_qs

import mod_wsgi

OUT = Path(__file__).parent.parent / "out"

time.sleep(float(os.environ.get("LOAD_SECONDS", "0")) if (OUT / "slow").exists() else 0)


@mod_wsgi.subscribe_shutdown
def stopping(name, *, shutdown_reason, **event):
    (OUT / f"stopping-{os.getpid()}").write_text(shutdown_reason)


def spin(seconds):
    """Runs bytecode all the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(100))


def doze(seconds):
    """Sleeps, and runs bytecode every now and then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)


def burn(seconds):
    """Uses processor time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(100))


def end(status):
    os._exit(int(status))


def keep_the_gil(seconds):
    """Sleeps for two seconds without releasing the GIL, then in the usual way."""
    ctypes.PyDLL(None).sleep(2)
    time.sleep(seconds)


ACTIONS = {"/": time.sleep, "/keep-the-gil": keep_the_gil, "/burn": burn, "/spin": spin, "/doze": doze, "/exit": end}


def application(environ, start_response):
    body = str(os.getpid()).encode()
    if environ["PATH_INFO"] == "/limits":
        body = "{} {}".format(*resource.getrlimit(resource.RLIMIT_CPU)).encode()
    else:
        seconds = float(parse_qs(environ["QUERY_STRING"]).get("seconds", ["0"])[0])
        if seconds:
            (OUT / "begun").touch()
        ACTIONS[environ["PATH_INFO"]](seconds)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
