# SPDX-License-Identifier: Apache-2.0
"""Reads and writes at length for clients that do not behave; its windows are reported."""

import time

import reporter

reporter.start(period=0.05)


def swallow(environ):
    """Reads the body in blocks and logs how that ended."""
    length = 0
    try:
        while data := environ["wsgi.input"].read(8192):
            length += len(data)
    except OSError as error:
        environ["wsgi.errors"].write(f"body broke off after {length}: {type(error).__name__}\n")
        raise
    return [str(length).encode()]


class Endless:
    """Blocks without end; close() is logged."""

    def __init__(self, environ):
        self._errors = environ["wsgi.errors"]

    def __iter__(self):
        return self

    def __next__(self):
        time.sleep(0.001)
        return b"z" * 10_000

    def close(self):
        self._errors.write("endless response closed\n")


class EndlessWriter(Endless):
    def __init__(self, environ, write):
        super().__init__(environ)
        self._write = write

    def __next__(self):
        self._write(b"z" * 10_000)
        return b""


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/swallow":
        body = swallow(environ)
    elif path == "/endless":
        body = Endless(environ)
    elif path == "/slow":
        time.sleep(0.2)
        body = [b"slow"]
    else:
        body = [b"fine"]
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    return EndlessWriter(environ, write) if path == "/endless-write" else body
