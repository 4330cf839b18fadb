# SPDX-License-Identifier: Apache-2.0
"""Attacks on Apache over the connection of the request itself. Each takes the query and the connection of its request."""

import os
import socket
import threading
import time
from pathlib import Path

from system_calls import listens, sockets

OUT = Path(__file__).parent.parent / "out"
_again = set()
_claimed = set()
_claiming = threading.Lock()


def claim_connection():
    """A connection that no request of this process has claimed before: that of the calling request, as long as attacks are
    not sent at the same time as other requests. Each request claims its own, because that of the request before may still
    be open."""
    with _claiming:
        connection = _free_connection()
        _claimed.add(os.fstat(connection.fileno()).st_ino)
    return connection


def _free_connection():
    for _, copy in sockets():
        if copy.family == socket.AF_UNIX and not listens(copy) and os.fstat(copy.fileno()).st_ino not in _claimed:
            return copy
        copy.close()
    raise RuntimeError("no connection")


class NothingMore(Exception):
    """Ends the request of an attack: what the server sends after it goes nowhere."""


def forge(query, connection):
    """Sends the bytes of a file. A request that comes a second time is answered properly."""
    if query["file"] in _again:
        return b"served again"
    _again.add(query["file"])
    try:
        connection.sendall((OUT / query["file"]).read_bytes())
        time.sleep(float(query.get("seconds", "0")))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    raise NothingMore


def forge_slowly(query, connection):
    """Sends the same frame, a byte at a time."""
    try:
        data = (OUT / query["file"]).read_bytes()
        size = len(data) if "whole" in query else 1
        for at in range(0, len(data), size):
            connection.sendall(data[at : at + size])
            time.sleep(float(query["pause"]))
    except OSError:
        pass
    raise NothingMore


def forge_without_end(query, connection):
    """Sends the beginning once and the rest again and again, until nobody takes it or the time is over."""
    beginning = (OUT / query["file"]).read_bytes()
    rest = (OUT / query["rest"]).read_bytes()
    ends = time.monotonic() + float(query["seconds"])
    try:
        connection.sendall(beginning)
        while time.monotonic() < ends:
            connection.sendall(rest)
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    raise NothingMore


def trickle_from_copy(query, connection):
    """A copy sends a line for the log now and then, and keeps the connection when this process is replaced."""
    line = (OUT / query["file"]).read_bytes()
    if os.fork() == 0:
        ends = time.monotonic() + float(query["seconds"])
        try:
            os.setsid()
            while time.monotonic() < ends:
                connection.sendall(line)
                time.sleep(float(query["pause"]))
        finally:
            os._exit(0)
    while True:
        time.sleep(1)


def forge_with_descriptors(query, connection):
    """Sends open descriptors along with each part of a proper response."""
    numbers = [os.open("/dev/null", os.O_RDONLY) for _ in range(200)]
    data = (OUT / query["file"]).read_bytes()
    try:
        for at in range(0, len(data), 8):
            socket.send_fds(connection, [data[at : at + 8]], numbers)
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    for number in numbers:
        os.close(number)
    raise NothingMore


ATTACKS = {
    function.__name__: function
    for function in (forge, forge_slowly, forge_without_end, forge_with_descriptors, trickle_from_copy)
}
