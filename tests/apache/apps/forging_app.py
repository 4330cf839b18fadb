# SPDX-License-Identifier: Apache-2.0
"""An application that answers the server behind the back of its daemon process, with the bytes that a file holds."""

import contextlib
import os
import socket
import stat
import struct
import time
from pathlib import Path
from urllib.parse import parse_qs

import mod_wsgi

ENDLESS_SECONDS = 8
OUT = Path(__file__).parent.parent / "out"


def connection():
    """The connection that this request came by: the only one of a process with one thread."""
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            candidate = socket.socket(fileno=os.dup(descriptor))
            path = candidate.getsockname()
        except OSError:
            continue
        accepts = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if candidate.family == socket.AF_UNIX and not accepts and str(path).endswith(".sock"):
            return candidate
        candidate.close()
    raise RuntimeError("no connection")


def is_among_the_first(query):
    """Whether this is one of the first `times` requests of the server, or no number is given."""
    with open(OUT / "asked", "ab") as counter:
        counter.write(b".")
        return "times" not in query or counter.tell() <= int(query["times"][0])


def endless():
    end = time.monotonic() + ENDLESS_SECONDS
    while time.monotonic() < end:
        yield bytes(1 << 20)


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    if environ["PATH_INFO"] == "/forge" and is_among_the_first(query):
        with connection() as request_socket:
            forged = (OUT / "forged").read_bytes()
            try:
                if "trickle" in query:
                    for byte in forged:
                        request_socket.send(bytes([byte]))
                        time.sleep(float(query["trickle"][0]))
                else:
                    request_socket.sendall(forged)
                request_socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        raise RuntimeError("nothing of this gets through")
    if environ["PATH_INFO"] == "/endless-frames":
        data = struct.pack("=II", 18, 65536) + bytes(65536)
        with connection() as request_socket:
            status = struct.pack("=II", 200, 6) + b"200 OK" + struct.pack("=I", 0)
            request_socket.sendall(struct.pack("=II", 17, len(status)) + status)
            end = time.monotonic() + ENDLESS_SECONDS
            with contextlib.suppress(OSError):
                while time.monotonic() < end:
                    request_socket.sendall(data)
                request_socket.shutdown(socket.SHUT_RDWR)
        raise RuntimeError("nothing of this gets through")
    if environ["PATH_INFO"] == "/endless":
        start_response("200 OK", [])
        return endless()
    if environ["PATH_INFO"] == "/sleep":
        time.sleep(float(query["seconds"][0]))
    if environ["PATH_INFO"] == "/many":
        fields = [(f"X-Field-{i}", "some value") for i in range(int(query["fields"][0]))]
        start_response("200 OK", [*fields, ("Content-Length", "5")])
        return [b"many\n"]
    body = mod_wsgi.process_group.encode() + b"\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
