# SPDX-License-Identifier: Apache-2.0
"""The application for a load over several interpreters."""

import hashlib
import io
import os
import subprocess
import threading
import time
from pathlib import Path

OUT = Path(__file__).parent.parent / "out"


def plain(environ):
    return [b"plain"]


def echo(environ):
    return [environ["wsgi.input"].read()]


def blocks(environ):
    return (b"x" * 100 for _ in range(3))


def file(environ):
    return environ["wsgi.file_wrapper"](io.BytesIO(b"y" * 20_000), 7000)


def totals(environ):
    """Reads the totals while the reporter drains."""
    import mod_wsgi

    return [str(mod_wsgi.process_metrics()["request_count"]).encode()]


def fails(environ):
    print("on its way to the log", environ["mod_wsgi.application_group"])
    raise ValueError("raised for the load")


def hold(environ):
    """A second or more in which the lock is not given up."""
    (OUT / "holding").touch()
    return [str(sum(range(50_000_000))).encode()]


def spin(environ):
    end = time.thread_time() + 0.5
    while time.thread_time() < end:
        hashlib.sha256(b"x" * 64).hexdigest()
    return [b"spun"]


def pid(environ):
    return [str(os.getpid()).encode()]


def imports(environ):
    """Imports and uses the built-in module on the request's thread and on a fresh one."""
    done = []

    def use():
        import mod_wsgi

        mod_wsgi.start_recording_metrics()
        mod_wsgi.subscribe_events(print_nothing)
        mod_wsgi.request_metrics()
        mod_wsgi.process_metrics()
        done.append(mod_wsgi.application_group == environ["mod_wsgi.application_group"])

    use()
    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    return [b"imported" if done == [True, True] else repr(done).encode()]


def print_nothing(name, **event):
    pass


def command(environ):
    return [subprocess.run(["/bin/echo", "from a command"], capture_output=True).stdout]


def fork(environ):
    try:
        if os.fork() == 0:
            os._exit(0)
    except RuntimeError as refused:
        return [type(refused).__name__.encode()]
    return [b"forked"]


def daemon_thread(environ):
    def never_ends():
        while True:
            time.sleep(0.001)

    threading.Thread(target=never_ends, daemon=True).start()
    return [b"started"]


def sleep(environ):
    time.sleep(5)
    return [b"slept"]


def application(environ, start_response):
    name = environ["PATH_INFO"][1:].replace("-", "_")
    result = globals()[name](environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return result
