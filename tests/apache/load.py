# SPDX-License-Identifier: Apache-2.0
"""Load: several clients send requests for a number of times or for a time, and count answers."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .client import DEADLINE_SECONDS, HOST, Response, read_response


@dataclass(frozen=True)
class Request:
    path: str
    body: bytes = b""

    def send(self, connection: http.client.HTTPConnection, headers: dict[str, str]) -> Response:
        method = "POST" if self.body else "GET"
        connection.request(method, self.path, body=self.body or None, headers=headers)
        return read_response(connection)


@dataclass
class Tally:
    """The counts of requests sent and responses received by the clients."""

    statuses: Counter[int] = field(default_factory=Counter)
    body_bytes: int = 0
    sent_bytes: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def responses(self) -> int:
        return self.statuses.total()

    def of_class(self, digit: int) -> int:
        """Responses with a status of this class."""
        return sum(number for status, number in self.statuses.items() if status // 100 == digit)

    def add(self, request: Request, response: Response) -> None:
        self.statuses[response.status] += 1
        self.body_bytes += len(response.body)
        self.sent_bytes += len(request.body)

    def merge(self, other: Tally) -> None:
        self.statuses.update(other.statuses)
        self.body_bytes += other.body_bytes
        self.sent_bytes += other.sent_bytes
        self.failures += other.failures


def send_number(
    port: int,
    requests: Sequence[Request],
    number: int,
    *,
    clients: int = 4,
    keep_alive: bool = True,
) -> Tally:
    """Sends `number` requests, taking the given ones in turn."""
    turn = itertools.count()
    return _run(port, requests, lambda: next(turn), number, clients, keep_alive)


def send_for(
    port: int,
    requests: Sequence[Request],
    seconds: float,
    *,
    least: int = 0,
    clients: int = 4,
    keep_alive: bool = True,
) -> Tally:
    """Sends requests for a time, and beyond it until there are `least`, taking the given ones in turn."""
    turn = itertools.count()
    end = time.monotonic() + seconds
    limit = 1 << 62

    def next_turn() -> int:
        number = next(turn)
        return number if number < least or time.monotonic() < end else limit

    return _run(port, requests, next_turn, limit, clients, keep_alive)


def _answer(
    request: Request, connection: http.client.HTTPConnection, headers: dict[str, str]
) -> Response:
    """Sends again when a kept connection turns out closed, as Apache may close it at any time."""
    kept = connection.sock is not None
    try:
        return request.send(connection, headers)
    except (ConnectionError, http.client.RemoteDisconnected):
        connection.close()
        if not kept:
            raise
    return request.send(connection, headers)


def _run(
    port: int,
    requests: Sequence[Request],
    next_turn: Callable[[], int],
    limit: int,
    clients: int,
    keep_alive: bool,
) -> Tally:
    tallies = [Tally() for _ in range(clients)]

    def client(tally: Tally) -> None:
        headers = {} if keep_alive else {"Connection": "close"}
        connection = http.client.HTTPConnection(HOST, port, timeout=DEADLINE_SECONDS)
        while (turn := next_turn()) < limit:
            request = requests[turn % len(requests)]
            try:
                tally.add(request, _answer(request, connection, headers))
            except (OSError, http.client.HTTPException) as error:
                tally.failures.append(f"{request.path}: {error!r}")
                connection.close()
        connection.close()

    threads = [threading.Thread(target=client, args=(tally,)) for tally in tallies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = Tally()
    for tally in tallies:
        whole.merge(tally)
    return whole
