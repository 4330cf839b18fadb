# SPDX-License-Identifier: Apache-2.0
"""An application that has something against its server: the path says what it does."""

import ctypes
import os
import socket
import time

C = ctypes.CDLL(None, use_errno=True)
C.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
PR_SET_DUMPABLE = 4
PR_SET_PTRACER = 0x59616D61
PTRACE_SEIZE = 0x4206


def detached(work):
    """Runs `work` in a process that nobody waits for; its pid."""
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(write, str(os.getpid()).encode())
            work()
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(read, 20))


def trace(pid):
    C.ptrace(PTRACE_SEIZE, pid, None, None)
    time.sleep(60)
    os._exit(0)


def end_traced():
    """Ends this process while another traces it: its parent does not hear of the end."""
    C.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
    C.prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
    pid = os.getpid()
    tracer = detached(lambda: trace(pid))
    time.sleep(0.5)
    os.write(2, f"tracer {tracer}\n".encode())
    os._exit(0)


def listener():
    for name in os.listdir("/proc/self/fd"):
        try:
            candidate = socket.socket(fileno=os.dup(int(name)))
            if candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return candidate
        except OSError:
            pass
    raise LookupError


def take_requests():
    group_listener = listener()
    while True:
        connection, _ = group_listener.accept()
        os.write(2, b"stolen: " + connection.recv(65536)[:20] + b"\n")


def application(environ, start_response):
    body = f"{os.getuid()} {os.getpid()}".encode()
    if environ["PATH_INFO"] == "/trace":
        end_traced()
    if environ["PATH_INFO"] == "/leave":
        body = str(detached(take_requests)).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
