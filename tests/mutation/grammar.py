# SPDX-License-Identifier: Apache-2.0
"""Requests of HTTP/1 by a grammar: some whose meaning is certain, and others made of these by mutations.

A case is a list of steps on one connection. `Case.expected` lists the requests whose meaning is certain; it is None
when a mutation made the meaning uncertain."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

EVIL = "evil"
"""The id of requests that stand inside bodies and fields. A certain request never has one of these answered."""

ALIASES = ("", "/deep/alias", "/m/one", "/m/two")
BEHAVIOURS = ("/", "/read", "/line", "/part", "/none", "/same", "/large", "/stream", "/write", "/read/stream",
              "/short", "/long", "/break", "/raise", "/read/large", "/part/write")
UNFINISHED = ("/short", "/break")
METHODS = ("GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "BREW")
NAMES = ("X-A", "X_A", "X-a", "Accept", "Cookie", "Content-Type", "User-Agent", "X-Forwarded-For", "Referer", "Proxy",
         "Content_Length", "Transfer_Encoding", "Host_", "X-" + "n" * 200, "Range", "If-Modified-Since", "Authorization",
         "TE", "Accept-Encoding", "Cache-Control", "From", "Via", "Warning", "Date", "Pragma", "Upgrade")
VALUES = ("", "1", "a b", "\xe4\xf6\xfc", "\"quoted\"", "x" * 1000, "bytes=0-1", "Basic YTpi", "*/*", "gzip", "\t\ttabs",
          "Thu, 01 Jan 1970 00:00:00 GMT", "a=b; c=d", "127.0.0.1", ";,;,", "%00%0d%0a", "h2c", "trailers")


@dataclass
class Request:
    method: str
    path: str
    id: str
    version: str = "1.1"
    keeps: bool = True
    fields: list[bytes] = field(default_factory=list)
    body: bytes = b""
    framing: bytes = b""
    """The field that tells how the body is delimited."""
    form: str = "origin"

    def target(self) -> str:
        origin = f"{self.path}?id={self.id}"
        return f"http://localhost{origin}" if self.form == "absolute" else origin

    def head(self) -> bytes:
        line = f"{self.method} {self.target()} HTTP/{self.version}".encode("latin-1")
        lines = [line, b"Host: localhost", *self.fields, *([self.framing] if self.framing else [])]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def bytes(self) -> bytes:
        return self.head() + self.body

    @property
    def may_break_off(self) -> bool:
        return any(part in self.path for part in UNFINISHED)


@dataclass
class Step:
    """Sends bytes; as a trickle in pieces, with a pause after each."""

    data: bytes
    pieces: list[int] = field(default_factory=list)

    def cut(self) -> list[bytes]:
        ends = [*self.pieces, len(self.data)]
        return [self.data[a:b] for a, b in zip([0, *self.pieces], ends) if a != b]


@dataclass
class Case:
    number: str
    steps: list[Step]
    expected: list[Request] | None
    ids: list[str]
    ending: str = "marker"
    """marker: a marker request follows; reset, close, half: how the client breaks off instead."""
    heads: int = 0
    """Requests that may have been HEAD."""
    versionless: bool = False
    """The server may take it for HTTP/0.9, whose responses have no head."""

    def describe(self) -> str:
        kind = "uncertain" if self.expected is None else f"{len(self.expected)} certain requests"
        sent = "\n".join(repr(step.data) for step in self.steps)
        return f"case {self.number}: {kind}, then {self.ending}\n{sent}"


def chunked(rng: random.Random, body: bytes) -> bytes:
    """In chunks of any size, with extensions and trailers now and then."""
    encoded = b""
    while body:
        size = rng.randint(1, len(body))
        extension = rng.choice([b"", b"", b";e=1", b';name="a;b"', b" ;x"]) if rng.random() < 0.3 else b""
        digits = rng.choice([b"%x", b"%X", b"0%x", b"000%x"]) % size
        encoded += digits + extension + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    trailers = rng.choice([b"", b"", b"X-T: 1\r\n", b"X-T: 1\r\nContent-Length: 5\r\n"])
    return encoded + b"0\r\n" + trailers + b"\r\n"


def evil_request(rng: random.Random) -> bytes:
    return b"GET /?id=%s-%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % (EVIL.encode(), rng.randrange(1000))


def some_body(rng: random.Random) -> bytes:
    kind = rng.randrange(5)
    if kind == 0:
        return evil_request(rng)
    if kind == 1:
        return rng.randbytes(rng.choice([1, 10, 100, 9000]))
    if kind == 2:
        return b"0\r\n\r\n" + evil_request(rng)
    if kind == 3:
        return b"x" * rng.choice([1, 8191, 8192, 8193, 70_000])
    return b"a=1&b=2"


def some_field(rng: random.Random) -> bytes:
    name, value = rng.choice(NAMES), rng.choice(VALUES)
    gap = rng.choice([": ", ":", ":  ", ":\t"])
    return f"{name}{gap}{value}".encode("latin-1")


def some_request(rng: random.Random, identity: str) -> Request:
    path = rng.choice(ALIASES) + rng.choice(BEHAVIOURS)
    request = Request(rng.choice(METHODS), path, identity, rng.choice(["1.1", "1.1", "1.1", "1.0"]),
                      form=rng.choice(["origin", "origin", "absolute"]))
    request.fields = [some_field(rng) for _ in range(rng.choice([0, 0, 1, 3, 20]))]
    # Upgrade would let the server change the protocol, and TE or Range change what is a whole response.
    request.fields = [header for header in request.fields if not header.startswith((b"Upgrade", b"Range", b"If-Modified"))]
    if rng.random() < 0.5 and request.method not in ("GET", "HEAD", "OPTIONS"):
        body = some_body(rng)
        if request.version == "1.1" and rng.random() < 0.5:
            request.framing, request.body = b"Transfer-Encoding: chunked", chunked(rng, body)
        else:
            request.framing, request.body = b"Content-Length: %d" % len(body), body
        if rng.random() < 0.1 and request.version == "1.1":
            request.fields.append(b"Expect: 100-continue")
    elif request.method in ("POST", "PUT"):
        request.framing = b"Content-Length: 0"
    connection = rng.random()
    if connection < 0.05:
        request.fields.append(b"Connection: close")
    request.keeps = request.version == "1.1" and connection >= 0.05
    return request


def some_pieces(rng: random.Random, data: bytes) -> list[int]:
    if rng.random() < 0.8 or len(data) < 2:
        return []
    return sorted(rng.sample(range(1, len(data)), min(len(data) - 1, rng.choice([1, 2, 5, 30]))))


def make_case(seed: int, index: int) -> Case:
    """The case of a seed and an index, which is always the same."""
    rng = random.Random(f"{seed}:{index}")
    number = f"{seed}:{index}"
    requests = [some_request(rng, f"{index}-{i}") for i in range(rng.choice([1, 1, 1, 2, 4]))]
    ids = [request.id for request in requests]
    heads = sum(request.method == "HEAD" for request in requests)
    data = b"".join(request.bytes() for request in requests)
    if rng.random() < 0.4:
        return Case(number, [Step(data, some_pieces(rng, data))], requests, ids, heads=heads)
    from .mutations import mutate  # imported here, because mutations import this module

    return mutate(rng, number, requests, ids, heads)
