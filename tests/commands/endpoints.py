# SPDX-License-Identifier: Apache-2.0
"""Endpoints for the tests of `sluice top` and `sluice check`: answers that the test writes, over TCP or a Unix socket."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BOUNDS = ["0.000999", "0.001999", "0.003999", "0.007999", "+Inf"]
HOSTILE = "a\x1b[31mb\r\n\x9b2J\u202e\x07[red]c[/red]"
"""A text with escape sequences, control characters, a change of direction, and markup."""
INTERPRETED = "\x1b\x9b\r\x07\u202e"
"""The characters of it that a terminal interprets, except the end of a line."""


def histogram(*counts: int, total: float = 0.0) -> dict[str, Any]:
    """A histogram with these numbers of requests in the buckets."""
    padded = [*counts, *[0] * (len(BOUNDS) - len(counts))]
    cumulative = [sum(padded[: index + 1]) for index in range(len(padded))]
    return {"buckets": dict(zip(BOUNDS, cumulative)), "count": sum(padded), "sum": total}


def process(pid: int = 100, **numbers: Any) -> dict[str, Any]:
    return {
        **{"pid": pid, "listed": True, "state": "serving", "age_seconds": 100.0, "requests": 0, "busy_seconds": 0.0},
        **{"active_requests": 0, "active_seconds": 0.0, "longest_request_seconds": 0.0, "threads": 1, "threads_limit": 4},
        **{"cpu_seconds": 0.5, "resident_memory_bytes": 50 << 20},
        **numbers,
    }


def group(name: str | None = "d", **numbers: Any) -> dict[str, Any]:
    """A group with one idle process, or the total without a name."""
    members: dict[str, Any] = {
        **{"mode": "daemon", "requests": dict.fromkeys(["1xx", "2xx", "3xx", "4xx", "5xx"], 0)},
        **{"request_duration_seconds": histogram(), "phase_duration_seconds": {"queue": histogram(), "gil_wait": histogram()}},
        **{"busy_seconds": 0.0, "request_cpu_seconds": 0.0, "gil_waits": 0, "active_requests": 0, "longest_request_seconds": 0.0},
        **{"threads": 1, "threads_limit": 4, "processes": 1, "unlisted_processes": 0, "process_starts": 1, "cpu_seconds": 0.5},
        **{"resident_memory_bytes": 50 << 20},
    }
    if name is not None:
        members |= {"process_group": name, "process_list": [process()]}
    return {**members, **numbers}


def document(*groups: dict[str, Any], **members: Any) -> dict[str, Any]:
    total = group(None)
    for name in ("active_requests", "threads_limit", "processes", "process_starts"):
        total[name] = sum(process_group[name] for process_group in groups)
    for name in total["requests"]:
        total["requests"][name] = sum(process_group["requests"][name] for process_group in groups)
    return {
        "version": "0.1.0",
        "start_time": 1700000000.5,
        "groups": [copy.deepcopy(process_group) for process_group in groups],
        "total": total,
        **members,
    }


def answer(body: bytes | dict[str, Any], status: str = "200 OK", headers: str = "") -> bytes:
    """A whole response of HTTP."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{headers}\r\n".encode() + content


Respond = Callable[[int, bytes], "bytes | Iterator[bytes]"]
"""Gives the answer, in one piece or in several, to the request of this number, from 0."""


class Stub:
    """An endpoint that gives prepared answers."""

    def __init__(self, respond: Respond, path: Path | None = None, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self._context = context
        self._respond = respond
        self._socket = socket.socket(socket.AF_INET if path is None else socket.AF_UNIX)
        self._socket.bind(("127.0.0.1", 0) if path is None else str(path))
        self._socket.listen()
        scheme = "http" if context is None else "https"
        self.address = f"unix:{path}" if path is not None else f"{scheme}://127.0.0.1:{self._socket.getsockname()[1]}/metrics"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._answer(connection if self._context is None else self._context.wrap_socket(connection, server_side=True))

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head and not head.startswith(b"\x16"):  # a client that speaks TLS sends no line
            part = connection.recv(4096)
            if not part:
                return
            head += part
        self.requests.append(head)
        response = self._respond(len(self.requests) - 1, head)
        for part in [response] if isinstance(response, bytes) else response:
            connection.sendall(part)


@contextlib.contextmanager
def stub(
    respond: Respond | bytes | dict[str, Any], path: Path | None = None, context: ssl.SSLContext | None = None,
) -> Iterator[Stub]:  # fmt: skip
    """An endpoint as long as the block. Without a function it gives the same answer each time. With a context it speaks TLS."""
    if isinstance(respond, dict):
        respond = answer(respond)
    endpoint = Stub(respond if callable(respond) else lambda number, head: respond, path, context)
    try:
        yield endpoint
    finally:
        endpoint.close()


def sluice(*arguments: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Runs the command."""
    return subprocess.run(
        [sys.executable, "-m", "sluice", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
    )
