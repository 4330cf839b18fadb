# SPDX-License-Identifier: Apache-2.0
"""Writes to the error log on every way that an application has. Each line has the marker of its request."""

import logging
import os
import signal
import sys
import threading
from urllib.parse import parse_qs

import mod_wsgi

logging.basicConfig(level=logging.INFO, stream=sys.stderr)


def finished(name, **event):
    if name == "request_finished":
        print(f"{event['request_data'].get('marker')}-FROM-SUBSCRIBER", file=sys.stderr)


def failing(name, **event):
    if "raising" in event["request_data"]:
        raise ValueError(f"{event['request_data']['marker']}-RAISED-AT-{name}")


mod_wsgi.subscribe_events(failing)


def call(statement, marker):
    """Runs a statement in a file whose name is the marker, which lines about the call have."""
    exec(compile(statement, f"{marker}-PLACE", "exec"), {"mod_wsgi": mod_wsgi, "signal": signal})


def body(marker, errors):
    yield b"first\n"
    print(f"{marker}-FROM-BODY", file=errors)
    yield b"second\n"
    print(f"{marker}-FROM-UNFINISHED", end="", file=errors)


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    marker, errors = query["marker"][0], environ["wsgi.errors"]
    if "subscribe" in query and finished not in getattr(mod_wsgi, "_test_subscribed", []):
        mod_wsgi.subscribe_events(finished)
        mod_wsgi._test_subscribed = [finished]
    mod_wsgi.request_data()["marker"] = marker
    print(f"{marker}-FROM-ERRORS", file=errors)
    print(f"{marker}-FROM-STDERR", file=sys.stderr)
    print(f"{marker}-FROM-PRINT")
    logging.info("%s-FROM-LOGGING", marker)
    if "raising" in query:
        mod_wsgi.request_data()["raising"] = True
    if "signal" in query:
        call("signal.signal(signal.SIGTERM, signal.SIG_IGN)", marker)
    if "deaf" in query:
        call("mod_wsgi.subscribe_signals(print)", marker)
    for number in range(int(query.get("lines", ["0"])[0])):
        print(f"{marker}-LINE-{number}-" + "x" * 100, file=errors)
    if "blank" in query:
        print(f"{marker}-BEFORE\n\n{marker}-AFTER", file=errors)
        errors.write(f"{marker}-FLUSHED")
        errors.flush()
        print(file=errors)
        print(f"{marker}-LAST", file=errors)
    if "long" in query:
        print(f"{marker}-" + "y" * 10_000 + "-LONG-END", file=errors)
    for _ in range(int(query.get("flood", ["0"])[0])):
        print(f"{marker}-FLOOD-" + "f" * 1_000, file=errors)
    if "control" in query:
        print(f"{marker}-CONTROL-\x1b[31m\r-\x07-END", file=errors)
    if "thread" in query:
        thread = threading.Thread(target=lambda: print(f"{marker}-FROM-THREAD", file=sys.stderr))
        thread.start()
        thread.join()
    if "fork" in query:
        child = os.fork()
        if child == 0:
            print(f"{marker}-FROM-CHILD", file=sys.stderr, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
    if "die" in query:
        os._exit(1)
    if "raise" in query:
        raise ValueError(f"{marker}-FROM-TRACEBACK")
    start_response("200 OK", [("Content-Type", "text/plain")])
    if "list" in query:
        print(f"{marker}-FROM-UNFINISHED", end="", file=errors)
        return [b"z" * int(query["list"][0])]
    return body(marker, errors)
