# SPDX-License-Identifier: Apache-2.0
"""Reads the body, works, and answers at length, as its query asks; its windows are reported."""

import time
from urllib.parse import parse_qs

import reporter

reporter.start()


def work(milliseconds):
    """Keeps the interpreter's lock as far as others do not ask for it."""
    end = time.thread_time() + milliseconds / 1000
    number = 0
    while time.thread_time() < end:
        number = sum(range(50))
    return number


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    try:
        while environ["wsgi.input"].read(4096):
            pass
    except OSError:
        pass
    work(float(query.get("work", ["0"])[0]))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return (b"x" * 8192 for _ in range(int(query.get("blocks", ["1"])[0])))
