# SPDX-License-Identifier: Apache-2.0
"""HTTP and raw-socket clients for the tests."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

DEADLINE_SECONDS = 30.0
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Response:
    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The header's value; several of one name are joined with a comma."""
        values = self.header_values(name)
        return ", ".join(values) if values else None

    def header_values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    def json(self) -> Any:
        return json.loads(self.body)


def fetch(
    port: int,
    path: str,
    *,
    method: str = "GET",
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """One request on a connection of its own; an iterable body goes out chunked."""
    connection = http.client.HTTPConnection(HOST, port, timeout=DEADLINE_SECONDS)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        return read_response(connection)
    finally:
        connection.close()


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=DEADLINE_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def fetch_over(path: Path, target: str = "/", headers: Mapping[str, str] | None = None) -> Response:
    """One request on a connection of its own to a Unix socket."""
    with contextlib.closing(UnixConnection(path)) as connection:
        connection.request("GET", target, headers=dict(headers or {}))
        return read_response(connection)


def read_response(connection: http.client.HTTPConnection) -> Response:
    reply = connection.getresponse()
    body = reply.read()
    return Response(reply.status, reply.reason, reply.getheaders(), body)


class RawClient:
    """A connection whose every byte the test decides."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection((HOST, port), timeout=DEADLINE_SECONDS)
        self.received = bytearray()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def trickle(self, data: bytes, pause_seconds: float) -> None:
        """Sends byte by byte, with a pause after each."""
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for offset in range(len(data)):
            self.send(data[offset : offset + 1])
            time.sleep(pause_seconds)

    def finish_sending(self) -> None:
        """Half-closes: the server sees the end of the stream, the client still reads."""
        self._socket.shutdown(socket.SHUT_WR)

    def read_until(self, needle: bytes) -> bytearray:
        """All bytes received so far, once they contain `needle`; fails at the end of the stream."""
        while needle not in self.received:
            data = self._socket.recv(65536)
            if not data:
                raise AssertionError(f"{needle!r} is not in {bytes(self.received)!r}")
            self.received += data
        return self.received

    def read_some(self, size: int) -> None:
        """So many bytes more, or what there is until the end."""
        end = len(self.received) + size
        while len(self.received) < end and (data := self._socket.recv(65536)):
            self.received += data

    def read_to_end(self) -> bytes:
        """All bytes of the connection; a reset counts as its end."""
        try:
            while data := self._socket.recv(65536):
                self.received += data
        except ConnectionResetError:
            pass
        return bytes(self.received)

    def abort(self) -> None:
        """Closes with a reset instead of an orderly end."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        self._socket.close()


def request_head(method: str, path: str, *headers: str) -> bytes:
    """The bytes of a request's head, for raw clients."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def status_of(raw: bytes) -> int:
    """The status of the first response in a raw stream."""
    return int(raw.split(b" ", 2)[1])
