# SPDX-License-Identifier: Apache-2.0
"""Mutations of frames of HTTP/2."""

from __future__ import annotations

import random
import struct

from .frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Fields,
    frame,
)
from .grammar2 import Case2, Exchange, Mutation2, block_of

BAD_FIELDS: tuple[tuple[str, str], ...] = (
    ("connection", "close"), ("transfer-encoding", "chunked"), ("te", "gzip"), ("upgrade", "h2c"), ("X-Upper", "1"), ("x y", "1"),
    ("", "1"), ("x", "a\nb"), ("x", "a\r\nx-injected: 1"), ("x", "a\0b"), ("x:y", "1"), (":unknown", "1"), (":status", "200"),
    (":path", "/again"), ("host", "other"), ("content-length", "-1"), ("content-length", "7,7"), ("content-length", "0"),
    ("content-length", "99999"), ("cookie", "a" * 9000), ("x", " padded "), ("expect", "100-continue"), ("x-\xff", "\xff"),
)
BAD_PSEUDO: tuple[tuple[str, str], ...] = (
    (":path", ""), (":path", "no-slash"), (":path", "*"), (":path", "/ /a b"), (":path", "/\r\nX: 1"), (":path", "//?id=evil-1"),
    (":method", ""), (":method", "G ET"), (":method", "CONNECT"), (":method", "TRACE"), (":scheme", "ftp"), (":scheme", ""),
    (":authority", ""), (":authority", "a b"), (":authority", "user@localhost"), (":path", "/" + "p" * 9000),
)


def send_fields(case: Case2, rng: random.Random, fields: Fields) -> None:
    """A further stream with a head of these fields."""
    stream = case.next_stream
    case.next_stream += 2
    case.exchanges.append(Exchange(stream, "any", "/", fields))
    case.frames.append(frame(HEADERS, END_HEADERS | (END_STREAM if rng.random() < 0.7 else 0), stream, block_of(fields)))


def good_fields() -> Fields:
    return [(":method", "GET"), (":scheme", "https"), (":authority", "localhost"), (":path", "/read?id=any")]


def bad_field(rng: random.Random, case: Case2) -> None:
    fields = good_fields()
    fields.insert(rng.choice([4, 4, rng.randint(0, 4)]), rng.choice(BAD_FIELDS))
    send_fields(case, rng, fields)


def bad_pseudo(rng: random.Random, case: Case2) -> None:
    replaced = rng.choice(BAD_PSEUDO)
    send_fields(case, rng, [replaced if field[0] == replaced[0] else field for field in good_fields()])


def missing_pseudo(rng: random.Random, case: Case2) -> None:
    fields = good_fields()
    del fields[rng.randrange(4)]
    send_fields(case, rng, fields)


def late_pseudo(rng: random.Random, case: Case2) -> None:
    fields = good_fields()
    send_fields(case, rng, [("x", "1"), *fields] if rng.random() < 0.5 else [*fields, ("x", "1"), fields[0]])


def wrong_length(rng: random.Random, case: Case2) -> None:
    """DATA and content-length disagree."""
    stream, told = case.next_stream, rng.choice([0, 1, 9, 11, 500])
    fields = [*good_fields(), ("content-length", str(told))]
    fields[0] = (":method", "POST")
    send_fields(case, random.Random(1), fields)
    case.frames[-1] = frame(HEADERS, END_HEADERS, stream, case.frames[-1][9:])
    case.frames.append(frame(DATA, END_STREAM, stream, b"0123456789"))


def on_stream(case: Case2, rng: random.Random, kind: int, flags: int, payload: bytes) -> None:
    """A frame on a stream that may be open, half-closed, closed, idle, even or the connection's."""
    stream = rng.choice([0, 1, 1, 2, case.next_stream - 2, case.next_stream, 999, LARGEST_STREAM])
    case.frames.insert(rng.randint(0, len(case.frames)), frame(kind, flags, stream, payload))


LARGEST_STREAM = (1 << 31) - 1


def stray_data(rng: random.Random, case: Case2) -> None:
    on_stream(case, rng, DATA, rng.choice([0, END_STREAM, PADDED]), rng.choice([b"", b"\xff", b"stray" * 100]))


def stray_head(rng: random.Random, case: Case2) -> None:
    on_stream(case, rng, rng.choice([HEADERS, CONTINUATION]), rng.choice([0, END_HEADERS, END_HEADERS | END_STREAM]),
              rng.choice([b"", b"\x00\x01x\x011", b"\x82\x84\x87\x41\x09localhost", b"\xff" * 20]))


def reset(rng: random.Random, case: Case2) -> None:
    on_stream(case, rng, RST_STREAM, 0, rng.choice([struct.pack(">I", 8)] * 4 + [b"", b"\0" * 5]))


def window(rng: random.Random, case: Case2) -> None:
    on_stream(case, rng, WINDOW_UPDATE, 0, rng.choice([struct.pack(">I", n) for n in (0, 1, (1 << 31) - 1)] + [b"\0"]))


def settings(rng: random.Random, case: Case2) -> None:
    pairs = b"".join(struct.pack(">HI", rng.choice([1, 2, 3, 4, 5, 6, 8, 77]), rng.choice([0, 1, 16_384, (1 << 32) - 1]))
                     for _ in range(rng.choice([1, 2, 50])))
    on_stream(case, rng, SETTINGS, rng.choice([0, ACK]), rng.choice([pairs, pairs[:-1]]))


def odd_frame(rng: random.Random, case: Case2) -> None:
    kind = rng.choice([PING, GOAWAY, PRIORITY, PUSH_PROMISE, 0x0A, 0xFF])
    on_stream(case, rng, kind, rng.randrange(256), rng.randbytes(rng.choice([0, 4, 5, 8, 9, 100])))


def large_frame(rng: random.Random, case: Case2) -> None:
    on_stream(case, rng, rng.choice([DATA, HEADERS, SETTINGS, 0x77]), 0, bytes(rng.choice([16_384, 16_385, 70_000])))


def many_resets(rng: random.Random, case: Case2) -> None:
    """Streams that are opened and reset at once."""
    for _ in range(rng.choice([5, 40])):
        stream = case.next_stream
        send_fields(case, random.Random(1), good_fields())
        case.frames.append(frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))


def many_continuations(rng: random.Random, case: Case2) -> None:
    block = b"".join(b"\x00\x04x-%02d\x011" % (i % 100) for i in range(rng.choice([50, 2000])))
    case.frames.append(frame(HEADERS, END_STREAM, case.next_stream, b"\x82\x84\x87\x41\x09localhost"))
    case.exchanges.append(Exchange(case.next_stream, "none", "/", []))
    case.frames += [frame(CONTINUATION, 0, case.next_stream, block[i : i + 700]) for i in range(0, len(block), 700)]
    case.frames.append(frame(CONTINUATION, END_HEADERS, case.next_stream))
    case.next_stream += 2


def flipped(rng: random.Random, case: Case2) -> None:
    at = rng.randrange(len(case.frames))
    data = bytearray(case.frames[at])
    for _ in range(rng.choice([1, 3])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    case.frames[at] = bytes(data)


def shuffled(rng: random.Random, case: Case2) -> None:
    rng.shuffle(case.frames)


def repeated(rng: random.Random, case: Case2) -> None:
    case.frames.append(rng.choice(case.frames))


def cut(rng: random.Random, case: Case2) -> None:
    data = b"".join(case.frames)
    case.frames = [data[: rng.randrange(len(data))]]
    case.breaks_off = True


MUTATIONS2: tuple[Mutation2, ...] = (
    bad_field, bad_field, bad_field, bad_pseudo, bad_pseudo, missing_pseudo, late_pseudo, wrong_length, wrong_length, stray_data,
    stray_head, reset, reset, window, settings, odd_frame, large_frame, many_resets, many_continuations, flipped, shuffled,
    repeated, cut,
)


def mutate2(rng: random.Random, case: Case2) -> Case2:
    mutation = rng.choice(MUTATIONS2)
    mutation(rng, case)
    case.certain, case.mutation = False, mutation.__name__
    return case
