# SPDX-License-Identifier: Apache-2.0
"""Sends a case, reads what comes back, and judges it."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from .grammar import EVIL, Case, Request

DEADLINE_SECONDS = 30.0
PAUSE_SECONDS = 0.002
QUIET_SECONDS = 1.0
WITHOUT_BODY = (204, 304)
BARE_BODIES = (b"id ", b"<!DOCTYPE")

Connect = Callable[[], socket.socket]
_markers = itertools.count(1)


class Desync(AssertionError):
    """A response does not belong to its request."""


@dataclass
class Answer:
    status: int
    fields: list[tuple[str, str]]
    body: bytes = b""
    whole: bool = True

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]

    @property
    def id(self) -> str | None:
        values = self.values("x-id")
        return values[0] if values else None

    @property
    def closes(self) -> bool:
        return any("close" in value.lower() for value in self.values("connection"))


@dataclass
class Stream:
    """Responses are taken off its beginning, by the rules of RFC 9112."""

    rest: bytes
    answers: list[Answer] = field(default_factory=list)

    def next(self, to_head: bool) -> Answer:
        head, end, rest = self.rest.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        version, _, status = lines[0].partition(b" ")
        if not end or version not in (b"HTTP/1.1", b"HTTP/1.0") or not status[:3].isdigit():
            raise Desync(f"no head of a response: {self.rest[:200]!r}")
        fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not name or b" " in name:
                raise Desync(f"no field: {line!r}")
            fields.append((name.decode("latin-1").lower(), value.strip().decode("latin-1")))
        self.rest = rest
        answer = Answer(int(status[:3]), fields)
        if not (to_head or answer.status < 200 or answer.status in WITHOUT_BODY):
            self._take_body(answer)
        return answer

    def _take_body(self, answer: Answer) -> None:
        codings, lengths = answer.values("transfer-encoding"), answer.values("content-length")
        if codings and lengths:
            raise Desync("a response with both framings")
        if len(set(lengths)) > 1:
            raise Desync("a response with two lengths")
        if codings:
            self._take_chunks(answer)
        elif lengths:
            size = int(lengths[0])
            answer.body, self.rest = self.rest[:size], self.rest[size:]
            answer.whole = len(answer.body) == size
        else:
            answer.body, self.rest = self.rest, b""

    def _take_chunks(self, answer: Answer) -> None:
        while True:
            line, end, rest = self.rest.partition(b"\r\n")
            if not end:
                answer.whole, self.rest = False, b""
                return
            size = int(line.partition(b";")[0], 16)
            if size and (len(rest) < size + 2 or rest[size : size + 2] != b"\r\n"):
                if len(rest) >= size + 2:
                    raise Desync(f"a chunk does not end where it says: {rest[size:size + 20]!r}")
                answer.body, answer.whole, self.rest = answer.body + rest, False, b""
                return
            if size == 0:
                self.rest = rest.removeprefix(b"\r\n")
                return
            answer.body, self.rest = answer.body + rest[:size], rest[size + 2 :]


def marker_request(connection: str = "close") -> tuple[str, bytes]:
    identity = f"marker-{next(_markers)}"
    return identity, f"GET /?id={identity} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n".encode()


def check_marker(answer: Answer, identity: str) -> None:
    if answer.id != identity or answer.body != f"id {identity}\n".encode() or answer.status != 200:
        raise Desync(f"the marker {identity} got {answer.status} with the id {answer.id}: {answer.body[:200]!r}")


def read_to_end(connection: socket.socket, quiet_seconds: float | None = None) -> bytes:
    """All that the server sends; with `quiet_seconds`, until it has been silent for so long."""
    received = bytearray()
    if quiet_seconds is not None:
        connection.settimeout(quiet_seconds)
    try:
        while data := connection.recv(1 << 16):
            received += data
    except TimeoutError:
        if quiet_seconds is None:
            raise
    except (ConnectionError, ssl.SSLError):
        pass
    return bytes(received)


def send_steps(connection: socket.socket, case: Case) -> None:
    for step in case.steps:
        pieces = step.cut()
        for piece in pieces:
            connection.sendall(piece)
            if len(pieces) > 1:
                time.sleep(PAUSE_SECONDS)


def end(connection: socket.socket, ending: str) -> None:
    """Half-closes or breaks off. TLS has no half-close here: what would be one is none."""
    if ending == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if ending in ("marker", "half") and not isinstance(connection, ssl.SSLSocket):
        connection.shutdown(socket.SHUT_WR)


def run(connect: Connect, case: Case) -> None:
    """Raises Desync, with the bytes that were sent, when an answer is wrong."""
    try:
        received, marker = exchange(connect, case)
        judge(case, received, marker)
        if case.expected is None:
            check_new_connection(connect)
    except (Desync, TimeoutError, ValueError) as error:
        raise Desync(f"{error!r}\n{case.describe()}") from error


def exchange(connect: Connect, case: Case) -> tuple[bytes | None, str]:
    """The responses to the case and to the marker behind it; None when the client closed the connection."""
    identity, marker = marker_request()
    with contextlib.closing(connect()) as connection:
        connection.settimeout(DEADLINE_SECONDS)
        try:
            send_steps(connection, case)
            if case.ending == "marker":
                connection.sendall(marker)
            end(connection, case.ending)
        except (ConnectionError, ssl.SSLError, OSError):
            pass  # the server may have closed the connection; what it sent before is checked
        if case.ending in ("close", "reset"):
            return None, identity
        # Where a half-close is not possible, the server may wait for the rest of a request that is cut off.
        waits = isinstance(connection, ssl.SSLSocket) and case.expected is None
        return read_to_end(connection, QUIET_SECONDS if waits else None), identity


def check_new_connection(connect: Connect) -> None:
    identity, marker = marker_request()
    with contextlib.closing(connect()) as connection:
        connection.settimeout(DEADLINE_SECONDS)
        connection.sendall(marker)
        stream = Stream(read_to_end(connection))
    check_marker(stream.next(to_head=False), identity)
    if stream.rest:
        raise Desync(f"bytes follow the marker's answer: {stream.rest[:200]!r}")


def judge(case: Case, received: bytes | None, marker: str) -> None:
    if received is None:
        return
    if case.expected is not None:
        judge_certain(case.expected, received, marker)
    else:
        judge_uncertain(case, received, marker)


def judge_certain(requests: list[Request], received: bytes, marker: str) -> None:
    """One answer for each request until one closes the connection, each with the id of its request."""
    stream = Stream(received)
    for request in requests:
        answer = final_answer(stream, request.method == "HEAD")
        if answer.id not in (None, request.id):
            raise Desync(f"the request {request.id} got the answer of {answer.id}")
        if answer.id is None and answer.status < 400:
            raise Desync(f"the request {request.id} got {answer.status} without an id")
        if not answer.whole and not request.may_break_off:
            raise Desync(f"the answer of {request.id} is not whole")
        if not answer.whole or answer.closes or not request.keeps:
            if stream.rest:
                raise Desync(f"bytes follow the last answer: {stream.rest[:200]!r}")
            return
    answer = final_answer(stream, to_head=False)
    check_marker(answer, marker)
    if stream.rest:
        raise Desync(f"bytes follow the marker's answer: {stream.rest[:200]!r}")


def final_answer(stream: Stream, to_head: bool) -> Answer:
    answer = stream.next(to_head)
    while answer.status == 100:
        answer = stream.next(to_head)
    return answer


def ids_sent(data: bytes) -> list[str]:
    """The ids in what was sent, as the application reads them: a mutation may have doubled or changed one."""
    queries = re.findall(r"id=[^\s#]*", data.decode("latin-1"))
    texts = [parse_qs(query, errors="replace").get("id", [""])[0] for query in queries]
    return ["".join(c for c in text if c.isalnum() or c == "-")[:80] for text in texts]


def judge_uncertain(case: Case, received: bytes, marker: str) -> None:
    """All that came back must be answers, the ids in the order of what was sent, and the marker's must be its own."""
    stream = Stream(received)
    seen = []
    heads = case.heads
    while stream.rest:
        before = stream.rest
        if case.versionless and before.startswith(BARE_BODIES):
            if marker.encode() in before:
                raise Desync(f"the marker {marker} got an answer without a head")
            break  # a line without a version is HTTP/0.9, so the server closes after the answer
        answer = None
        if heads:
            # A HEAD has no body behind its head: then another head follows, or nothing.
            with contextlib.suppress(Desync, ValueError):
                tried = Stream(before)
                candidate = tried.next(to_head=True)
                if not tried.rest or tried.rest.startswith(b"HTTP/1."):
                    answer, stream = candidate, tried
        if answer is None:
            answer = stream.next(to_head=False)
        seen.append(answer)
        if answer.id == marker:
            check_marker(answer, marker)
            if stream.rest:
                raise Desync(f"bytes follow the marker's answer: {stream.rest[:200]!r}")
    allowed = iter([*ids_sent(b"".join(step.data for step in case.steps)), marker])
    for answer in seen:
        if answer.id is None or answer.id.startswith(EVIL) or answer.id == "none":
            continue
        own = answer.id.startswith("marker") or answer.id in case.ids
        if own and answer.id not in allowed:
            raise Desync(f"the answer of {answer.id} is out of order, or comes twice")
