# SPDX-License-Identifier: Apache-2.0
"""Takes descriptors away from the process that serves it."""

import os
import socket
import threading
import time

SOCKETS = "socket:["


def descriptors():
    targets = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            targets[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass
    return targets


def listeners():
    """The descriptors of listening Unix sockets."""
    numbers = []
    for number, what in descriptors().items():
        if not what.startswith(SOCKETS):
            continue
        copy = socket.socket(fileno=os.dup(number))
        if copy.family == socket.AF_UNIX and copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            numbers.append(number)
        copy.close()
    return numbers


def close_all():
    os.closerange(3, 4096)


def close_listener():
    for number in listeners():
        os.close(number)


def replace_by_nothing():
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in listeners():
        os.dup2(nothing, number)


def replace_by_another():
    other = socket.socket(socket.AF_UNIX)
    other.bind("")
    other.listen()
    for number in listeners():
        os.dup2(other.fileno(), number)


def close_log():
    """All that is the error log but the standard streams."""
    log = os.readlink("/proc/self/fd/2")
    for number, what in descriptors().items():
        if number > 2 and what == log:
            os.close(number)


ACTIONS = {
    "/all": close_all,
    "/close": close_listener,
    "/nothing": replace_by_nothing,
    "/another": replace_by_another,
    "/log": close_log,
}


def later(action):
    def run():
        time.sleep(0.2)
        action()

    threading.Thread(target=run, daemon=True).start()


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path in ACTIONS:
        if environ["QUERY_STRING"] == "later":
            later(ACTIONS[path])
        else:
            ACTIONS[path]()
    if path == "/print":
        print("a line for the log", file=environ["wsgi.errors"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
