# SPDX-License-Identifier: Apache-2.0
"""Changes what its daemon process relies on: the signal that ends blocking calls, and the flags of its listening socket."""

import ctypes
import os
import signal
import socket
import stat
import struct


def listener():
    for name in os.listdir("/proc/self/fd"):
        descriptor = int(name)
        try:
            if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                continue
            candidate = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            continue
        if candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return candidate
        candidate.close()
    raise RuntimeError("no listener")


def restart_calls():
    ctypes.CDLL(None).siginterrupt(int(signal.SIGURG), 0)


def ignore_signal():
    ctypes.CDLL(None).signal(int(signal.SIGURG), ctypes.c_void_p(1))


def ignore_ends():
    for number in (signal.SIGTERM, signal.SIGUSR1):
        ctypes.CDLL(None).signal(int(number), ctypes.c_void_p(1))


def block_signal():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGURG])


def make_nonblocking():
    with listener() as own_listener:
        os.set_blocking(own_listener.fileno(), False)


def set_timeout():
    with listener() as own_listener:
        own_listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("=qq", 0, 10_000))


WAYS = {f"/{way.__name__}": way for way in (restart_calls, ignore_signal, ignore_ends, block_signal, make_nonblocking, set_timeout)}


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/exit":
        os._exit(0)
    if path in WAYS:
        WAYS[path]()
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
