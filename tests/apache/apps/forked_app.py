# SPDX-License-Identifier: Apache-2.0
"""Forks, and lets the child come back into the server's code in every way there is."""

import ctypes
import os
import signal
import sys
import threading
import time

import mod_wsgi

SYS_CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
PLAIN = [("Content-Type", "text/plain")]
current = threading.local()
armed = {}
original = os.getpid()


def clone():
    """fork() by the bare system call, which no library notices."""
    return ctypes.PyDLL(None).syscall(SYS_CLONE, signal.SIGCHLD, 0, 0, 0, 0)


def fork(how):
    """True in the child. The parent waits for it, for a bounded time, and leaves a note of how it ended."""
    child = clone() if how == "clone" else os.fork()
    if child == 0:
        return True
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid == child:
            current.ended = f"ended {os.waitstatus_to_exitcode(status)}".encode()
            return False
        time.sleep(0.01)
    current.ended = b"still there"
    return False


@mod_wsgi.subscribe_events
def on_event(name, **event):
    how = armed.pop(name, None)
    if how is not None:
        fork(how)


def returns(environ, start_response, how):
    copy = fork(how)
    start_response("200 OK", PLAIN)
    return [b"copy" if copy else current.ended]


def returns_large(environ, start_response, how):
    copy = fork(how)
    start_response("200 OK", PLAIN)
    return [b"copy" * 100_000 if copy else current.ended]


def yields(environ, start_response, how):
    start_response("200 OK", PLAIN)
    yield b"begun-"
    yield b"copy" if fork(how) else current.ended


def writes(environ, start_response, how):
    write = start_response("200 OK", PLAIN)
    write(b"copy" if fork(how) else current.ended)
    return []


def raises(environ, start_response, how):
    if fork(how):
        raise LookupError("in the copy")
    start_response("200 OK", PLAIN)
    return [current.ended]


def exits(environ, start_response, how):
    if fork(how):
        sys.exit(7)
    start_response("200 OK", PLAIN)
    return [current.ended]


def reads(environ, start_response, how):
    """The copy must not take the body away."""
    if fork(how):
        return [environ["wsgi.input"].read()]
    body = environ["wsgi.input"].read()
    start_response("200 OK", PLAIN)
    return [current.ended, b" ", str(len(body)).encode()]


def in_an_event(name):
    def run(environ, start_response, how):
        armed[name] = how
        if name == "request_exception":
            raise LookupError("for the event")
        start_response("200 OK", PLAIN)
        return [getattr(current, "ended", b"not yet")]

    return run


def on_a_thread(environ, start_response, how):
    """The last thread of the copy ends, which is an exit of the process."""
    body = []

    def run():
        if not fork(how):
            body.append(current.ended)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    start_response("200 OK", PLAIN)
    return body


def finaliser(environ, start_response, how):
    class Blocks(list):
        def __del__(self):
            fork(how)

    start_response("200 OK", PLAIN)
    return Blocks([b"whole"])


ROUTES = {
    "/returns": returns,
    "/returns-large": returns_large,
    "/yields": yields,
    "/writes": writes,
    "/raises": raises,
    "/exits": exits,
    "/reads": reads,
    "/request_started": in_an_event("request_started"),
    "/response_started": in_an_event("response_started"),
    "/request_exception": in_an_event("request_exception"),
    "/request_finished": in_an_event("request_finished"),
    "/thread": on_a_thread,
    "/finaliser": finaliser,
}


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/":
        start_response("200 OK", PLAIN)
        return [str(os.getpid()).encode()]
    return ROUTES[path](environ, start_response, environ["QUERY_STRING"])
