# SPDX-License-Identifier: Apache-2.0
"""The logs of Apache, passed on to the standard output and the standard error.

Apache writes to pipes, because it cannot open a terminal of another user, nor a socket, by its name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

MOST = 65536


def say(line: str) -> None:
    """Print a line of `sluice serve` itself."""
    try:
        print(f"sluice: {line}", file=sys.stderr, flush=True)
    except OSError:
        pass  # The terminal was closed.


class Logs:
    """The pipes of the access log and of the error log."""

    def __init__(self) -> None:
        self._targets: dict[int, int] = {}
        self._writers: list[int] = []

    @contextmanager
    def writers(self) -> Iterator[tuple[int, int]]:
        """Lend the ends that Apache inherits as its standard output and standard error."""
        ends = []
        for target in (1, 2):
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            self._targets[reader] = target
            ends.append(writer)
        try:
            yield ends[0], ends[1]
        finally:
            for writer in ends:
                os.close(writer)

    @property
    def pipes(self) -> list[int]:
        return list(self._targets)

    def pass_on(self, pipe: int) -> bool:
        """Pass on what a pipe has; return False when it has nothing."""
        try:
            text = os.read(pipe, MOST)
        except BlockingIOError:
            return False
        _write(self._targets[pipe], text)
        return bool(text)

    def pass_on_the_rest(self) -> None:
        for pipe in self.pipes:
            while self.pass_on(pipe):
                pass
            os.close(pipe)


def _write(target: int, text: bytes) -> None:
    try:
        while text:
            text = text[os.write(target, text) :]
    except OSError:
        pass  # The terminal or the reader is gone; the server goes on.
