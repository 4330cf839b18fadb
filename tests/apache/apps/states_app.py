# SPDX-License-Identifier: Apache-2.0
"""Uses a response from where it should not: event callbacks, threads, finalisers, and hooks of its arguments."""

import gc
import threading
import time

import mod_wsgi

FIRST = [("Content-Type", "text/plain"), ("Content-Length", "5"), ("X-Head", "first")]
SECOND = [("Content-Type", "text/plain"), ("Content-Length", "50"), ("X-Head", "second")]
OPEN = [("Content-Type", "text/plain")]
current = threading.local()
SLOW = 4 << 20


@mod_wsgi.subscribe_events
def on_event(name, **event):
    action = getattr(current, "action", None)
    if action is not None and name == current.event:
        current.action = None
        action()


def at_event(name, action):
    current.event, current.action = name, action


def write_inside_the_event(environ, start_response):
    """The head of the first call goes out while the second is being accepted."""
    write = start_response("200 OK", FIRST)
    at_event("response_started", lambda: write(b"first"))
    try:
        start_response("201 Created", SECOND)
    except RuntimeError:
        pass
    return [b"and more than was promised"]


def start_inside_the_event(environ, start_response):
    at_event("response_started", lambda: start_response("200 OK", FIRST)(b"first"))
    try:
        start_response("201 Created", SECOND)
    except RuntimeError:
        pass
    return [b"and more than was promised"]


def write_while_it_fails(environ, start_response):
    write = start_response("200 OK", OPEN)
    at_event("request_exception", lambda: write(b"late"))
    raise LookupError("the end is decided")


def write_when_finished(environ, start_response):
    write = start_response("200 OK", OPEN)
    at_event("request_finished", lambda: write(b"late"))
    return [b"whole"]


def write_by_a_finaliser(environ, start_response):
    """A finaliser of the iterable writes once the end was sent."""
    write = start_response("200 OK", OPEN)

    class Blocks:
        def __init__(self):
            self.blocks = [b"whole"]

        def __iter__(self):
            return self

        def __next__(self):
            if not self.blocks:
                raise StopIteration
            return self.blocks.pop()

        def __del__(self):
            try:
                write(b"late")
            except RuntimeError:
                pass

    return Blocks()


def write_by_an_exception(environ, start_response):
    """Python makes an exception, and collects garbage that writes, where the server refuses a head."""
    write = start_response("200 OK", FIRST)

    class Garbage:
        def __del__(self):
            try:
                write(b"first")
            except (RuntimeError, OSError):
                pass

    threshold = gc.get_threshold()
    gc.disable()
    for _ in range(10):
        one = Garbage()
        one.self = one
    del one
    gc.enable()
    gc.set_threshold(1, 1, 1)
    try:
        for headers in ([("Bad Name", "x")], [("X", 5)], [("X",)], SECOND):
            try:
                start_response("201 Created", headers)
            except (RuntimeError, TypeError, ValueError):
                pass
    finally:
        gc.set_threshold(*threshold)
    return [b"and more than was promised"]


class Hooked(list):
    """Headers that run code however they are looked at."""

    write = None

    def __len__(self):
        self.hook()
        return super().__len__()

    def __iter__(self):
        self.hook()
        return super().__iter__()

    def __getitem__(self, index):
        self.hook()
        return super().__getitem__(index)

    def hook(self):
        write, self.write = self.write, None
        if write is not None:
            write(b"first")


def write_by_hooks(environ, start_response):
    headers = Hooked(SECOND)
    headers.write = start_response("200 OK", FIRST)
    try:
        start_response("201 Created", headers)
        headers.write(b"x" * 50)
        return []
    except (RuntimeError, TypeError):
        pass
    return [b"first"]


def two_writers(environ, start_response):
    """A write that one thread is refused, or waits for, must not count as sent."""
    half = SLOW // 2
    write = start_response("200 OK", [*OPEN, ("Content-Length", str(SLOW)), ("X-Head", "threads")])
    refused = []

    def other():
        try:
            write(b"b" * half)
        except RuntimeError:
            refused.append(True)

    threads = [threading.Thread(target=other) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        write(b"a" * half)
    except RuntimeError:
        refused.append(True)
    for thread in threads:
        thread.join()
    return []


def writer_left_behind(environ, start_response):
    """The application fails while a thread of it is sending."""
    write = start_response("200 OK", OPEN)
    started = threading.Event()

    def other():
        started.set()
        try:
            while True:
                write(b"c" * 100_000)
        except (RuntimeError, OSError):
            pass

    threading.Thread(target=other).start()
    started.wait()
    time.sleep(0.02)
    raise LookupError("while another thread sends")


def reader_and_writer(environ, start_response):
    """One thread reads the body while others send."""
    write = start_response("200 OK", [*OPEN, ("X-Head", "both")])
    source, taken = environ["wsgi.input"], []

    def other():
        try:
            while block := source.read(3000):
                taken.append(len(block))
        except (RuntimeError, OSError) as error:
            taken.append(type(error).__name__)

    thread = threading.Thread(target=other)
    thread.start()
    for _ in range(200):
        write(b"d" * 1000)
    thread.join()
    return [repr(sum(taken) if all(isinstance(n, int) for n in taken) else taken).encode()]


def start_after_the_end(environ, start_response):
    def late():
        for _ in range(2000):
            try:
                start_response("500 Late", SECOND)(b"late")
            except (RuntimeError, OSError):
                pass

    start_response("200 OK", FIRST)
    threading.Thread(target=late).start()
    return [b"first"]


ROUTES = {name.replace("_", "-"): function for name, function in list(globals().items()) if callable(function)}


def application(environ, start_response):
    name = environ["PATH_INFO"].lstrip("/")
    if not name:
        start_response("200 OK", [*OPEN, ("Content-Length", "6"), ("X-Marker", "yes")])
        return [b"marker"]
    return ROUTES[name](environ, start_response)
