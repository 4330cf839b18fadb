# SPDX-License-Identifier: Apache-2.0
"""Requests of HTTP/2 by a grammar: several streams of one connection, their frames in any order that is allowed.

The mutations make of them what no client should send."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from .frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PING,
    PRIORITIZED,
    PRIORITY,
    SETTINGS,
    WINDOW_UPDATE,
    Fields,
    frame,
)
from .grammar import ALIASES, BEHAVIOURS, NAMES, UNFINISHED, VALUES

METHODS = ("GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS", "BREW")
NOT_IN_HTTP2 = ("upgrade", "te", "range", "if-modified-since", "host_", "transfer_encoding", "content_length")


@dataclass
class Exchange:
    """A request on a stream of its own."""

    stream: int
    id: str
    path: str
    fields: Fields
    body: bytes = b""
    frames: list[bytes] = field(default_factory=list)
    trailers: bool = False

    @property
    def may_break_off(self) -> bool:
        """mod_http2 resets a stream, whatever its handler, when trailers follow a body that the handler leaves unread."""
        unread = self.trailers and "/read" not in self.path
        return unread or any(part in self.path for part in (*UNFINISHED, "/raise"))


@dataclass
class Case2:
    number: str
    exchanges: list[Exchange]
    frames: list[bytes]
    certain: bool
    mutation: str = ""
    breaks_off: bool = False
    next_stream: int = 1

    def describe(self) -> str:
        kind = "certain" if self.certain else f"mutated: {self.mutation}"
        paths = ", ".join(f"{exchange.stream}: {dict(exchange.fields).get(':method')} {exchange.path}" for exchange in self.exchanges)
        return f"HTTP/2 case {self.number}, {kind} ({paths})\n{b''.join(self.frames)!r}"


Mutation2 = Callable[[random.Random, Case2], None]


def some_fields(rng: random.Random, path: str, identity: str) -> Fields:
    pseudo = [(":method", rng.choice(METHODS)), (":scheme", "https"), (":authority", "localhost"),
              (":path", f"{path}?id={identity}")]
    rng.shuffle(pseudo)
    regular = []
    for _ in range(rng.choice([0, 0, 2, 10])):
        name, value = rng.choice(NAMES).lower(), rng.choice(VALUES).strip()
        if name not in NOT_IN_HTTP2:
            regular.append((name, value))
    return pseudo + regular


def length(size: int) -> bytes:
    """An integer with a prefix of seven bits (RFC 7541, 5.1)."""
    if size < 127:
        return bytes([size])
    encoded, size = b"\x7f", size - 127
    while size >= 128:
        encoded, size = encoded + bytes([size % 128 + 128]), size // 128
    return encoded + bytes([size])


def block_of(fields: Fields) -> bytes:
    """Literals that are not indexed: what a frame means does not depend on the frames before it."""
    texts = [text.encode("latin-1") for pair in fields for text in pair]
    texts = [length(len(text)) + text for text in texts]
    return b"".join(b"\x00" + name + value for name, value in zip(texts[::2], texts[1::2]))


def head_frames(rng: random.Random, stream: int, block: bytes, flags: int) -> bytes:
    """A head in one frame or several, which nothing may come between; with a priority or padding now and then."""
    pieces = [block]
    while len(pieces[-1]) > 1 and rng.random() < 0.25:
        at = rng.randrange(len(pieces[-1]))
        pieces[-1:] = [pieces[-1][:at], pieces[-1][at:]]
    first = pieces[0]
    if rng.random() < 0.2:
        first, flags = struct.pack(">IB", 0, rng.randrange(256)) + first, flags | PRIORITIZED
    if rng.random() < 0.2:
        size = rng.choice([0, 1, 100])
        first, flags = bytes([size]) + first + bytes(size), flags | PADDED
    frames = frame(HEADERS, flags | (END_HEADERS if len(pieces) == 1 else 0), stream, first)
    for i, piece in enumerate(pieces[1:], 2):
        frames += frame(CONTINUATION, END_HEADERS if i == len(pieces) else 0, stream, piece)
    return frames


def data_frames(rng: random.Random, stream: int, body: bytes, ends: bool) -> list[bytes]:
    frames = []
    while body:
        size = rng.randint(1, min(len(body), 16_000))
        piece, body = body[:size], body[size:]
        flags = END_STREAM if ends and not body else 0
        if rng.random() < 0.2:
            padding = rng.choice([0, 1, 200])
            piece, flags = bytes([padding]) + piece + bytes(padding), flags | PADDED
        frames.append(frame(DATA, flags, stream, piece))
    return frames or ([frame(DATA, END_STREAM, stream)] if ends else [])


def some_exchange(rng: random.Random, stream: int, identity: str) -> Exchange:
    path = rng.choice(ALIASES) + rng.choice(BEHAVIOURS)
    exchange = Exchange(stream, identity, path, some_fields(rng, path, identity))
    with_body = rng.random() < 0.5 and dict(exchange.fields)[":method"] not in ("GET", "HEAD", "OPTIONS")
    if not with_body:
        exchange.frames = [head_frames(rng, stream, block_of(exchange.fields), END_STREAM)]
        return exchange
    exchange.body = rng.randbytes(rng.choice([1, 100, 5_000]))
    if rng.random() < 0.5:
        exchange.fields.append(("content-length", str(len(exchange.body))))
    exchange.trailers = trailers = rng.random() < 0.2
    exchange.frames = [head_frames(rng, stream, block_of(exchange.fields), 0),
                       *data_frames(rng, stream, exchange.body, not trailers)]
    if trailers:
        exchange.frames.append(head_frames(rng, stream, block_of([("x-trailer", "1")]), END_STREAM))
    return exchange


def between(rng: random.Random) -> bytes:
    """Frames that are allowed anywhere."""
    return rng.choice([
        frame(PING, 0, 0, rng.randbytes(8)), frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1)),
        frame(PRIORITY, 0, 1, struct.pack(">IB", 0, 7)), frame(0x77, 0xFF, 0, b"unknown"), frame(SETTINGS, 0, 0),
    ])


def interleaved(rng: random.Random, exchanges: list[Exchange]) -> list[bytes]:
    """Heads in the order of the streams, the rest of each behind its head in any order."""
    heads = [exchange.frames[0] for exchange in exchanges]
    rest = [exchange.frames[1:] for exchange in exchanges]
    frames: list[bytes] = []
    opened = 0
    while opened < len(heads) or any(rest[:opened]):
        if opened < len(heads) and (rng.random() < 0.5 or not any(rest[:opened])):
            frames.append(heads[opened])
            opened += 1
        else:
            frames.append(rng.choice([remaining for remaining in rest[:opened] if remaining]).pop(0))
        if rng.random() < 0.05:
            frames.append(between(rng))
    return frames


def make_case2(seed: int, index: int) -> Case2:
    rng = random.Random(f"h2:{seed}:{index}")
    count = rng.choice([1, 1, 2, 3, 5])
    exchanges = []
    for i in range(count):
        exchanges.append(some_exchange(rng, 2 * i + 1, f"{index}-{i}"))
    case = Case2(f"{seed}:{index}", exchanges, [], certain=True, next_stream=2 * count + 1)
    case.frames = interleaved(rng, exchanges)
    if rng.random() < 0.4:
        return case
    from .mutations2 import mutate2  # imported here, because mutations import this module

    return mutate2(rng, case)


