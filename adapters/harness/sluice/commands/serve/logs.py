# SPDX-License-Identifier: Apache-2.0
"""The logs of Apache, passed on to the standard output and the standard error.

Apache writes to pipes, because it cannot open a terminal of another user, nor a socket, by its name.
"""

from __future__ import annotations

import os
import re
import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST = 65536
SECONDS_FOR_THE_REST = 1.0
COMPLETED = re.compile(rb"\[pid (\d+)\] SLC0499: [^\n]* (\d+) requests\n")
LONGEST_LINE = 1000


def say(line: str) -> None:
    """Print a line of `sluice serve` itself, unless nobody reads the standard error: a signal has to stop the server then, too."""
    try:
        if select.select([], [sys.stderr], [], 0)[1]:
            print(f"sluice: {line}", file=sys.stderr, flush=True)
    except OSError:
        pass  # The terminal was closed.


class Logs:
    """The pipes of the access log and of the error log, a thread for each.

    A reader of the logs that stalls makes its thread wait and Apache, but not the thread that receives signals.
    """

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._completed: dict[int, int] = {}  # The number of requests by the process that logged it at its end.

    @contextmanager
    def writers(self) -> Iterator[tuple[int, int]]:
        """Lend the ends that Apache inherits as its standard output and standard error, and pass on what arrives from then on."""
        pipes = [os.pipe() for _ in range(2)]
        try:
            yield pipes[0][1], pipes[1][1]
        finally:
            for _, writer in pipes:
                os.close(writer)
            for (reader, _), target, watch in zip(pipes, (1, 2), (None, self._watch)):
                thread = threading.Thread(target=_pass_on, args=(reader, target, watch), daemon=True)
                thread.start()
                self._threads.append(thread)

    def completed_requests(self, pid: int) -> int | None:
        """Return the number of requests that the server of this process has logged when it ended; None if it has not."""
        return self._completed.get(pid)

    def _watch(self, text: bytes) -> None:
        self._completed.update((int(pid), int(requests)) for pid, requests in COMPLETED.findall(text))

    def wait_for_the_rest(self) -> None:
        """Wait a bounded time until all lines are passed on: the reader may be gone, or a process of an application may stay."""
        end = time.monotonic() + SECONDS_FOR_THE_REST
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.0))


def _pass_on(reader: int, target: int, watch: Callable[[bytes], None] | None) -> None:
    before = b""
    while text := os.read(reader, MOST):
        before = (before + text)[-MOST - LONGEST_LINE :]
        try:
            while text:
                text = text[os.write(target, text) :]
        except OSError:
            pass  # The terminal or the reader is gone; the server goes on.
        if watch:
            watch(before)
        before = before[-LONGEST_LINE:]
    os.close(reader)
