# SPDX-License-Identifier: Apache-2.0
"""Does what applications should not, and what few do."""

import gzip
import sys
import tempfile
import threading
import time

import mod_wsgi

ready = threading.Event()


@mod_wsgi.subscribe_events
def slow_subscriber(name, **event):
    if name == "response_started" and ("X-Late", "yes") in event["response_headers"]:
        ready.set()
        time.sleep(0.3)


def bad_exc_info(environ, start_response):
    """An exc_info of no exception, after the headers have gone out."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"begun;")
    kinds = [sys.exc_info(), ("a", "b", "c"), (int, 3, None), (ValueError("x"), "b", None)]
    names = []
    for exc_info in kinds:
        try:
            start_response("500 Oops", [], exc_info)
        except Exception as error:
            names.append(type(error).__name__)
    return [",".join(names).encode()]


def short(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10")])
    return [b"abcde"]


def breaks(environ, start_response):
    """Raises an exception when a part of a response of unknown length has been sent."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"abcde"
    raise LookupError("as asked")


def catches(environ, start_response):
    """Goes on after a body that cannot be read."""
    try:
        environ["wsgi.input"].read()
    except OSError as error:
        start_response("400 Bad Request", [("Content-Type", "text/plain")])
        return [b"caught ", type(error).__name__.encode()]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"read"]


def unread(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"unread"]


def compressed(environ, start_response):
    """A file whose descriptor gives other bytes than its read()."""
    holder = tempfile.NamedTemporaryFile()
    with gzip.open(holder.name, "wb") as packed:
        packed.write(b"plain text " * 50)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](gzip.open(holder.name))


def made_up(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](open("/proc/uptime", "rb"))


def interim(environ, start_response):
    start_response("100 Continue", [("Content-Type", "text/plain")])
    return [b"HTTP/1.1 200 OK\r\n\r\n"]


def late(environ, start_response):
    """Another thread is inside start_response when the request ends."""
    threading.Thread(target=start_response, args=("200 OK", [("X-Late", "yes")])).start()
    ready.wait(5.0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"in time"]


def null(environ, start_response):
    print("before\0after")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"logged"]


def application(environ, start_response):
    return globals()[environ["PATH_INFO"][1:]](environ, start_response)
