# SPDX-License-Identifier: Apache-2.0
"""Mutations of requests: errors, and unusual but valid forms."""

from __future__ import annotations

import random
from collections.abc import Callable

from .grammar import Case, Request, Step, evil_request, some_body, some_pieces

BAD_LENGTHS = (b"-1", b"+5", b"0x5", b"5 5", b"5,5", b"5;5", b"", b"99999999999999999999", b"9223372036854775807", b"5\t",
               b"\xb2", b"4294967296", b"1e1", b"00000000000000000005")
BAD_CODINGS = (b"chunked, chunked", b"gzip, chunked", b"chunked, identity", b"xchunked", b"\x0bchunked", b"chunked\x00",
               b"Chunked", b"identity", b"", b"chunked;q=1", b'"chunked"', b" chunked ")
BAD_CHUNKS = (b"zz\r\nabc\r\n0\r\n\r\n", b"-1\r\n\r\n", b"ffffffffffffffff\r\nabc\r\n", b"5\r\nab\r\n0\r\n\r\n",
              b"1\r\nabc\r\n0\r\n\r\n", b"5\nabcde\n0\n\n", b"0\r\n", b"\r\n\r\n", b"1" * 100 + b"\r\n",
              b"3;" + b"e" * 9000 + b"\r\nabc\r\n0\r\n\r\n", b"3\r\nabcXX0\r\n\r\n", b"0\r\nX: 1\r\n Y\r\n\r\n", b"0x3\r\nabc\r\n0\r\n\r\n",
              b" 3\r\nabc\r\n0\r\n\r\n", b"3 \r\nabc\r\n0\r\n\r\n", b"0\r\n" + b"T: t\r\n" * 200 + b"\r\n")
BAD_LINES = (b"", b"GET", b"GET /", b"GET / HTTP/1.1 extra", b"GET  / HTTP/1.1", b"GET\t/\tHTTP/1.1", b"get / http/1.1",
             b"GET / HTTP/2.0", b"GET / HTTP/1.11", b"GET / HTTP/0.9", b"GET / HTTP/-1.1", b"GET / HTTX/1.1", b"\x00\x01\x02",
             b"PRI * HTTP/2.0", b"GET * HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT localhost:80 HTTP/1.1",
             b"TRACE / HTTP/1.1", b"GET //localhost/ HTTP/1.1", b"GET ../.. HTTP/1.1", b"GET /%00 HTTP/1.1",
             b"GET /%zz HTTP/1.1", b"GET /a%2Fb HTTP/1.1", b"GET /../../etc/passwd HTTP/1.1", b"GET /" + b"a" * 9000 + b" HTTP/1.1",
             b"GET /?" + b"q" * 8100 + b" HTTP/1.1", b"GET http://other.example/ HTTP/1.1", b"GET http:/// HTTP/1.1",
             b"GET http://localhost HTTP/1.1", b"GET http://a:b@localhost:99999/ HTTP/1.1", b"GET /\xff\xfe HTTP/1.1",
             b"GET /deep/aliasX HTTP/1.1", b"GET /deep//alias///read HTTP/1.1", b"GET /m/../m/one HTTP/1.1",
             b"GET /;a=b;c HTTP/1.1", b"GET /%2e%2e/ HTTP/1.1", b"M-SEARCH * HTTP/1.1", b"X" * 300 + b" / HTTP/1.1")
BAD_FIELDS = (b"No-Colon", b": empty", b"Sp ace: 1", b"Space : 1", b"X: a\x00b", b"X: a\rb", b"X\x00: 1", b"X-\xff: 1", b"(x): 1",
              b"Host: other", b"Host:", b"Host: a,b", b"Host: [::1", b"Host: localhost:0", b"Host: " + b"h" * 5000,
              b"Connection: Content-Length", b"Connection: close, keep-alive", b"Connection: X_A, upgrade", b"Keep-Alive: 0",
              b"X: " + b"v" * 9000, b"Expect: 200-nothing", b"Expect: 100-continue", b"Upgrade: h2c", b"Upgrade: websocket",
              b"Content-Length : 3", b"Transfer-Encoding : chunked", b"Content_Length: 3", b"Range: bytes=0-0,-1,5-",
              b"If-Modified-Since: tomorrow", b"X: a\n b", b"X: a\r\n b", b"X: a\r\n\tb\r\n c", b"\r", b" leading: 1")

Mutation = Callable[[random.Random, Request], bytes]


def insert_field(request: Request, line: bytes, rng: random.Random) -> bytes:
    request.fields.insert(rng.randint(0, len(request.fields)), line)
    return request.bytes()


def bad_line(rng: random.Random, request: Request) -> bytes:
    line, _, rest = request.bytes().partition(b"\r\n")
    return rng.choice(BAD_LINES) + b"\r\n" + rest


def bad_field(rng: random.Random, request: Request) -> bytes:
    return insert_field(request, rng.choice(BAD_FIELDS), rng)


def many_fields(rng: random.Random, request: Request) -> bytes:
    request.fields += [b"X-%d: %d" % (i % 150, i) for i in range(rng.choice([99, 101, 400]))]
    return request.bytes()


def bad_length(rng: random.Random, request: Request) -> bytes:
    request.framing, request.body = b"Content-Length: " + rng.choice(BAD_LENGTHS), some_body(rng)
    return request.bytes()


def wrong_length(rng: random.Random, request: Request) -> bytes:
    body = some_body(rng)
    size = max(0, len(body) + rng.choice([-9, -1, 1, 9, 5000]))
    request.framing, request.body = b"Content-Length: %d" % size, body
    return request.bytes()


def two_lengths(rng: random.Random, request: Request) -> bytes:
    body = some_body(rng)
    request.framing, request.body = b"Content-Length: %d" % len(body), body
    return insert_field(request, b"Content-Length: %d" % (len(body) + rng.choice([0, 1, -1])), rng)


def both_framings(rng: random.Random, request: Request) -> bytes:
    request.framing, request.body = b"Transfer-Encoding: chunked", b"0\r\n\r\n" + evil_request(rng)
    return insert_field(request, b"Content-Length: %d" % rng.choice([0, 5, len(request.body)]), rng)


def bad_coding(rng: random.Random, request: Request) -> bytes:
    request.framing = b"Transfer-Encoding: " + rng.choice(BAD_CODINGS)
    request.body = b"3\r\nabc\r\n0\r\n\r\n"
    return request.bytes()


def bad_chunks(rng: random.Random, request: Request) -> bytes:
    request.method, request.framing, request.body = "POST", b"Transfer-Encoding: chunked", rng.choice(BAD_CHUNKS)
    return request.bytes()


def bare_line_feeds(rng: random.Random, request: Request) -> bytes:
    head = request.head()
    return head.replace(b"\r\n", rng.choice([b"\n", b"\r", b"\r\r\n"]), rng.choice([1, -1])) + request.body


def flipped_bytes(rng: random.Random, request: Request) -> bytes:
    data = bytearray(request.bytes())
    for _ in range(rng.choice([1, 1, 3, 10])):
        at = rng.randrange(len(data))
        kind = rng.randrange(3)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data.insert(at, rng.choice(b"\r\n\0 :\t,;/%"))
        elif len(data) > 1:
            del data[at]
    return bytes(data)


def doubled_part(rng: random.Random, request: Request) -> bytes:
    data = request.bytes()
    a, b = sorted(rng.choices(range(len(data) + 1), k=2))
    return data[:b] + data[a:b] + data[b:]


def cut_off(rng: random.Random, request: Request) -> bytes:
    data = request.bytes()
    return data[: rng.randrange(len(data))]


def leading_noise(rng: random.Random, request: Request) -> bytes:
    return rng.choice([b"\r\n", b"\r\n\r\n", b"\n" * 5, b" ", b"\0", b"\x16\x03\x01\x02\x00"]) + request.bytes()


MUTATIONS: tuple[Mutation, ...] = (
    bad_line, bad_field, bad_field, many_fields, bad_length, wrong_length, two_lengths, both_framings, bad_coding, bad_chunks,
    bare_line_feeds, flipped_bytes, flipped_bytes, doubled_part, cut_off, leading_noise,
)


def mutate(rng: random.Random, number: str, requests: list[Request], ids: list[str], heads: int) -> Case:
    """One request is mutated; those before it are certain, but what the whole means is not."""
    at = rng.randrange(len(requests))
    parts = [request.bytes() for request in requests]
    parts[at] = rng.choice(MUTATIONS)(rng, requests[at])
    data = b"".join(parts)
    ending = rng.choice(["marker", "marker", "marker", "half", "close", "reset"])
    if ending in ("close", "reset") and rng.random() < 0.5:
        data = data[: rng.randint(0, len(data))]
    return Case(number, [Step(data, some_pieces(rng, data))], None, ids, ending, heads + 1, versionless=True)
