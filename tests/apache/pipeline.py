# SPDX-License-Identifier: Apache-2.0
"""A fast client: requests go out several at a time on kept connections, and every answer is counted by its bytes."""

from __future__ import annotations

import socket
import threading

from .client import DEADLINE_SECONDS, HOST, request_head

BATCH = 32


def send_batches(port: int, paths: list[str], batches: int, *, clients: int) -> int:
    """Sends `batches` of BATCH requests, the paths in turn by connection; returns how many were answered with 200.

    The body of each answer has to be the word hello.
    """
    counts = [0] * clients
    failures: list[str] = []

    def client(number: int) -> None:
        head = request_head("GET", paths[number % len(paths)])
        own = batches // clients + (number < batches % clients)
        connection = _connect(port)
        try:
            for _ in range(own):
                answered = _exchange(connection, head)
                # Apache may close a kept connection at any time; what it has not begun to answer is sent again.
                while answered is None:
                    connection.close()
                    connection = _connect(port)
                    answered = _exchange(connection, head)
                counts[number] += answered
        except (OSError, AssertionError) as error:
            failures.append(repr(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=client, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    return sum(counts)


def _connect(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=DEADLINE_SECONDS)


def _exchange(connection: socket.socket, head: bytes) -> int | None:
    """Sends a batch and counts the answers; None if the connection turns out closed."""
    try:
        connection.sendall(head * BATCH)
        first = connection.recv(1 << 18)
    except ConnectionError:
        return None
    return _read_answers(connection, bytearray(first)) if first else None


def _read_answers(connection: socket.socket, received: bytearray) -> int:
    """Reads the rest of a batch of answers, whose heads are of one length, and not a byte more."""
    while b"\r\n\r\nhello" not in received:
        received += _some(connection)
    length = received.index(b"\r\n\r\n") + len(b"\r\n\r\nhello")
    while len(received) < length * BATCH:
        received += _some(connection)
    assert len(received) == length * BATCH, "answers of different lengths"
    return received.count(b"HTTP/1.1 200 OK\r\n")


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 18)
    assert data, "the connection ended"
    return data
