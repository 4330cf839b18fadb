# SPDX-License-Identifier: Apache-2.0
"""A thread of a server that does not run for a while, as on a machine that has no processor time for it."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


@contextmanager
def stopped(thread: int) -> Iterator[None]:
    """Keeps a thread from running, by its id. Its process may end meanwhile."""
    holds, over = threading.Event(), threading.Event()
    tracer = threading.Thread(target=_hold, args=(thread, holds, over))
    tracer.start()
    assert holds.wait(30), "the thread was not stopped"
    try:
        yield
    finally:
        over.set()
        tracer.join()


def _hold(thread: int, holds: threading.Event, over: threading.Event) -> None:
    """The kernel takes the calls about a traced thread from the thread alone that traces it."""
    if libc.ptrace(PTRACE_SEIZE, thread, None, None) != 0 or libc.ptrace(PTRACE_INTERRUPT, thread, None, None) != 0:
        return
    os.waitpid(thread, WALL)
    holds.set()
    over.wait()
    if libc.ptrace(PTRACE_DETACH, thread, None, None) != 0:
        os.waitpid(thread, WALL)  # it has ended with its process
