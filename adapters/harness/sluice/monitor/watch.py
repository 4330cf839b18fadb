# SPDX-License-Identifier: Apache-2.0
"""Watches one or several servers: polls them, keeps the last window of each, and a history of each group."""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sluice.monitor.address import Address
from sluice.monitor.client import Client, EndpointError
from sluice.monitor.reading import Reading
from sluice.monitor.window import GroupWindow, Window, difference, restarted

__all__ = ["Sample", "Watch", "poll_all"]

HISTORY = 3600
"""The number of windows of a group that are kept."""


@dataclass(frozen=True)
class Sample:
    """One window of a group, for the history."""

    instant: float
    rate: float
    capacity: float


class Watch:
    """One server over time. `window` is None until two readings exist, and after a restart of the server."""

    def __init__(self, address: Address, timeout: float, context: ssl.SSLContext | None = None) -> None:
        self.address = address
        self.window: Window | None = None
        self.error: str | None = None
        self.restarts = 0
        self.restarted = False
        """True when the last poll found that the server was started anew."""
        self._client = Client(address, timeout, context=context)
        self._last: Reading | None = None
        self._history: dict[str, deque[Sample]] = {}

    def poll(self) -> None:
        """Takes a reading. A failure is in `error`, and the next window then begins with the last reading before it."""
        try:
            reading = self._client.read()
        except EndpointError as error:
            self.error, self.window = str(error), None
            return
        self.error = None
        self.restarted = self._last is not None and restarted(self._last, reading)
        self.restarts += self.restarted
        self.window = None if self._last is None else difference(self._last, reading)
        self._last = reading
        if self.window is not None:
            names = {group.name for group in self.window.groups}
            # A server keeps all its groups while it runs. Without this line one with new names each time would fill the memory.
            self._history = {name: samples for name, samples in self._history.items() if name in names}
            for group in self.window.groups:
                self._remember(group)

    def history(self, group: str) -> Sequence[Sample]:
        """Returns the windows of a group that are kept, oldest first. Those before a restart of the server are among them."""
        return self._history.get(group, ())

    def _remember(self, group: GroupWindow) -> None:
        samples = self._history.setdefault(group.name, deque(maxlen=HISTORY))
        samples.append(Sample(self.window.reading.instant if self.window else 0.0, group.rate, group.capacity))


def poll_all(watches: Iterable[Watch]) -> None:
    """Polls all servers at the same time, in threads that do not keep the program from ending while a server takes its time."""
    watches = list(watches)
    if len(watches) == 1:
        watches[0].poll()
        return
    threads = [threading.Thread(target=watch.poll, daemon=True) for watch in watches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
