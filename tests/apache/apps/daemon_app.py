# SPDX-License-Identifier: Apache-2.0
"""An application that tells of the process it runs in, and can hang, block and end it."""

import ctypes
import os
import signal
import time
from urllib.parse import parse_qs

import mod_wsgi
import reporter

reporter.start()


def stopping(name, **event):
    with open(reporter.OUT / f"stopping-{os.getpid()}", "a", encoding="utf-8") as file:
        file.write(event["shutdown_reason"] + "\n")


mod_wsgi.subscribe_shutdown(stopping)


@mod_wsgi.subscribe_signals
def told(name, *, signame, signum, **event):
    with open(reporter.OUT / f"signals-{os.getpid()}", "a", encoding="utf-8") as file:
        file.write(f"{name} {signame} {signum}\n")


def facts(environ):
    status = dict(
        line.split(":", 1) for line in open("/proc/self/status", encoding="ascii") if ":" in line
    )
    umask = os.umask(0)
    os.umask(umask)
    return {
        "pid": os.getpid(),
        "uids": status["Uid"].split(),
        "gids": status["Gid"].split(),
        "groups": status["Groups"].split(),
        "umask": umask,
        "home": os.getcwd(),
        "lang": os.environ.get("LANG"),
        "title": open("/proc/self/cmdline", "rb").read().rstrip(b"\0").decode(),
        "process_group": mod_wsgi.process_group,
        "threads": mod_wsgi.threads_per_process,
        "multiprocess": environ["wsgi.multiprocess"],
        "multithread": environ["wsgi.multithread"],
    }


def hold_the_lock(seconds):
    """Keeps the interpreter's lock from everybody."""
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    path = environ["PATH_INFO"]
    body = str(os.getpid()).encode()
    if "seconds" in query:
        (reporter.OUT / "begun").touch()
    if path == "/facts":
        body = repr(facts(environ)).encode()
    elif path == "/sleep":
        time.sleep(float(query["seconds"][0]))
    elif path == "/hold":
        hold_the_lock(float(query["seconds"][0]))
    elif path == "/kill":
        os.kill(os.getpid(), getattr(signal, query["signal"][0]))
        time.sleep(5)
    elif path == "/die-in-the-body":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return die_in_the_body()
    elif path == "/echo":
        body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def die_in_the_body():
    yield b"begun"
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(5)
    yield b"never sent"
