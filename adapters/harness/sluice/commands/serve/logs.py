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
COMPLETED = re.compile(rb"\[pid (\d{1,20})\] SLC0499: the server ends; its processes have completed (\d{1,20}) requests$")
LONGEST_LINE = 1000
# Applications write to the terminal of whoever runs the command: without what a terminal takes for commands.
CONTROLS = {*range(0x20), 0x7F} - {ord("\t"), ord("\n")}
LATIN_CONTROLS = re.compile(rb"\xc2[\x80-\x9f]")
PRINTED = bytes(ord("?") if byte in CONTROLS else byte for byte in range(256))


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

    def _watch(self, line: bytes) -> None:
        if found := COMPLETED.search(line):
            self._completed[int(found[1])] = int(found[2])

    def wait_for_the_rest(self) -> None:
        """Wait a bounded time until all lines are passed on: the reader may be gone, or a process of an application may stay."""
        end = time.monotonic() + SECONDS_FOR_THE_REST
        for thread in self._threads:
            thread.join(max(end - time.monotonic(), 0.0))


class _Lines:
    """The whole lines of a stream, without those of more than LONGEST_LINE bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, text: bytes) -> list[bytes]:
        """Return the lines that end in this text, the next part of the stream."""
        *lines, rest = (self._rest + text).split(b"\n")
        # The beginning of a line that is too long stays too long, whatever follows.
        self._rest = rest[: LONGEST_LINE + 1]
        return [line for line in lines if len(line) <= LONGEST_LINE]


def _pass_on(reader: int, target: int, watch: Callable[[bytes], None] | None) -> None:
    lines = _Lines()
    terminal = os.isatty(target)
    begun = b""
    while text := os.read(reader, MOST):
        if watch:
            for line in lines.add(text):
                watch(line)
        if terminal:
            # The first byte of such a character may be the last of this part.
            text = begun + text
            begun = b"\xc2" if text.endswith(b"\xc2") else b""
            text = _printed(text.removesuffix(begun))
        try:
            _write(target, text)
        except OSError:
            pass  # The terminal or the reader is gone; the server goes on.
    os.close(reader)


def _write(target: int, text: bytes) -> None:
    """Write all, and wait for room: another program with the same pipe or terminal may have made it non-blocking."""
    while text:
        try:
            text = text[os.write(target, text) :]
        except BlockingIOError:
            select.select([], [target], [])


def _printed(text: bytes) -> bytes:
    """Replace the control characters of ASCII, and those of Latin-1 in UTF-8, by which a terminal may take commands, too."""
    return LATIN_CONTROLS.sub(b"?", text.translate(PRINTED))
