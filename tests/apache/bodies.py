# SPDX-License-Identifier: Apache-2.0
"""Clients under fire: what became of each request, judged by the bytes that came back."""

from __future__ import annotations

import http.client
import threading
import time
from dataclasses import dataclass, field

from .client import DEADLINE_SECONDS, HOST
from .process import wait_until

BLOCK_BYTES = 1000
"""Constants of apps/survival_app.py."""


@dataclass
class Fates:
    """Times are monotonic seconds."""

    whole: int = 0
    refused: list[tuple[float, int]] = field(default_factory=list)  # times, each with the status, which is a 5xx
    broken: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)  # requests without an answer, or whose response looked whole and was not
    longest_seconds: float = 0.0

    @property
    def failures(self) -> int:
        return len(self.refused) + len(self.broken)

    def ends(self) -> list[float]:
        """When requests ended badly."""
        return sorted([end for end, _ in self.refused] + self.broken)


class Clients:
    """Send requests until they are told to stop. As a context, they stop at its end."""

    def __init__(self, port: int, number: int, *, keep_alive: bool = True) -> None:
        self.fates = Fates()
        self._port = port
        self._keep_alive = keep_alive
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,)) for i in range(number)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, whole: int) -> None:
        """Waits until `whole` more requests have been answered whole."""
        least = self.fates.whole + whole
        wait_until(lambda: self.fates.whole >= least, f"{whole} more requests")

    def _run(self, number: int) -> None:
        path = (
            "/?blocks=3&pause=0.003",
            "/?blocks=3&pause=0.003&length=told",
            "/?length=told",
            "/",
        )[number % 4]
        expected = BLOCK_BYTES * (3 if "blocks" in path else 1)
        connection = http.client.HTTPConnection(HOST, self._port, timeout=DEADLINE_SECONDS)
        while not self._stopping.is_set():
            self._ask(connection, path, expected)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, path: str, expected: int) -> None:
        begun = time.monotonic()
        kept = connection.sock is not None
        reply = None
        try:
            headers = {} if self._keep_alive else {"Connection": "close"}
            connection.request("GET", path, headers=headers)
            reply = connection.getresponse()
            size = len(reply.read())
        except TimeoutError:
            connection.close()
            with self._lock:
                self.fates.faults.append(f"{path}: no answer within {DEADLINE_SECONDS} s")
            return
        except (OSError, http.client.HTTPException):
            connection.close()
            # A kept connection may be closed while it is idle: then nothing came, and the client asks again.
            if kept and reply is None:
                return
            with self._lock:
                self.fates.broken.append(time.monotonic())
            return
        end = time.monotonic()
        with self._lock:
            self.fates.longest_seconds = max(self.fates.longest_seconds, end - begun)
            if reply.status >= 500:
                self.fates.refused.append((end, reply.status))
            elif reply.status == 200 and size == expected:
                self.fates.whole += 1
            else:
                self.fates.faults.append(f"{path}: {reply.status} with {size} bytes")
