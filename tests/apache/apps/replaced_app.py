# SPDX-License-Identifier: Apache-2.0
"""Puts hostile objects in the place of what the server calls of Python, then has the server call it.

/run?what=NAME&how=NAME replaces one thing in one way and ends as the path says; what was replaced is put back on the next
request, so that one process can serve them all. The process must live, and serve the requests that follow.
"""

import _imp
import gc
import importlib.machinery
import os
import sys
import threading
from urllib.parse import parse_qs

import mod_wsgi
from replaced_ways import FUNCTIONS, WAYS, raise_base

PLAIN = [("Content-Type", "text/plain")]
undo = []


def replace(what, how):
    if what in FUNCTIONS:
        owner, name = FUNCTIONS[what]
        before = getattr(owner, name)
        undo.append(lambda: setattr(owner, name, before))
        setattr(owner, name, WAYS[how])
    else:
        before = sys.modules[what]
        undo.append(lambda: sys.modules.__setitem__(what, before))
        sys.modules[what] = WAYS[how]


def restore():
    while undo:
        undo.pop()()


def fail(environ, start_response):
    raise LookupError("to be formatted")


def fail_late(environ, start_response):
    start_response("200 OK", PLAIN)
    yield b"begun"
    raise LookupError("to be formatted, too")


def send_file(environ, start_response):
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


def subscribe(environ, start_response):
    mod_wsgi.subscribe_signals(fail)  # where there are no signals, the stack is logged
    start_response("200 OK", PLAIN)
    return [b"subscribed"]


def unmade_module(environ, start_response):
    """A module of this kind whose code nobody ran."""
    module = _imp.create_builtin(importlib.machinery.ModuleSpec("mod_wsgi", None))
    refused = 0
    for name in dir(module):
        function = getattr(module, name)
        if name.startswith("_") or not callable(function):
            continue
        for arguments in ((), (fail,), ({}, "server", 0.5)):
            try:
                function(*arguments)
            except (RuntimeError, TypeError, ValueError):
                refused += 1
    start_response("200 OK", PLAIN)
    return [b"refused" if refused else b"accepted"]


def keys_that_run_code(environ, start_response):
    """Windows whose keys take the values out while quantile() reads them."""

    class Key(str):
        def __hash__(self):
            return hash(self.stands_for)

        def __eq__(self, other):
            if armed:
                armed.clear()
                window["request_time_min_us"] = window["request_time"] = None
                in_their_place.extend((1 << 61) + number for number in range(200))
            return False

    armed, in_their_place, quantiles = [], [], []
    for stands_for in ("request_time_max_us", "request_time", "request_time_min_us"):
        key = Key("key")
        key.stands_for = stands_for
        window = {key: 1, "request_time_buckets": [1] + [0] * 64, "request_time_min_us": int(str(1 << 62))}
        window.update({"request_time_max_us": (1 << 62) + 1, "request_time": 0.25})
        armed.append(True)
        try:
            quantiles.append(mod_wsgi.quantile(window, "request", 0.5)[0])
        except (ValueError, TypeError):
            pass
    start_response("200 OK", PLAIN)
    return [b"read" if quantiles[0] == 1 << 62 else repr(quantiles).encode()]


def shrinking_result(environ, start_response):
    """A list that loses its items when the server makes objects."""
    blocks = [os.urandom(200_000).hex().encode() for _ in range(8)]

    class Cycle:
        def __del__(self):
            blocks.clear()

    start_response("200 OK", PLAIN)
    gc.collect()
    one = Cycle()
    one.self = one
    del one
    gc.set_threshold(1, 1, 1)
    undo.append(lambda: gc.set_threshold(700, 10, 10))
    threading.Timer(0.001, blocks.clear).start()
    return blocks


class Frozen:
    """close() and iteration that give anything."""

    def __iter__(self):
        return iter([b"a", bytearray(b"b")])

    close = property(raise_base)


ENDS = {
    "/fail": fail,
    "/fail-late": fail_late,
    "/file": send_file,
    "/subscribe": subscribe,
    "/unmade": unmade_module,
    "/keys": keys_that_run_code,
    "/shrinking-result": shrinking_result,
    "/frozen": lambda environ, start_response: start_response("200 OK", PLAIN) and Frozen(),
}


def application(environ, start_response):
    restore()
    path = environ["PATH_INFO"]
    query = parse_qs(environ["QUERY_STRING"])
    if path == "/":
        start_response("200 OK", PLAIN)
        return [str(os.getpid()).encode()]
    if "what" in query:
        replace(query["what"][0], query["how"][0])
    return ENDS[path](environ, start_response)
