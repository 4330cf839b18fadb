# SPDX-License-Identifier: Apache-2.0
"""The table of forged requests: what a program that is not the server writes to the socket of a daemon process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from apache.wire import frame_definition, header, raw_frame

from .frames import cuts, fields_of, frame_names, joined, limits, unknown_types, wrong_lengths, wrong_numbers, wrong_sizes

NUMBERS = (-1, 0, 1, 2, 8, 9, 32, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1)
PROGRAMS = {"GET": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "TLS": bytes.fromhex("1603010200010001fc0303"), "zeros": bytes(4096)}
CODE = "authentication_code"

Case = tuple[str, bytes]


def sample(script: str) -> dict[str, Any]:
    """A request that has everything but a code: it names a script that would leave a mark."""
    return {
        "generation": 1,
        "tries": 1,
        "flags": 1,
        "callable": "application",
        "script": script,
        "id": "forged",
        "client": "127.0.0.1:1",
        "variables": [("REQUEST_METHOD", "GET"), ("PATH_INFO", "/"), ("SERVER_NAME", "x"), ("SERVER_PORT", "80")],
    }


def unsigned(script: str) -> Iterator[Case]:
    """Requests without a code, or with one that was guessed."""
    values = sample(script)
    yield "no code", raw_frame("request", joined(fields_of("request", values)))
    generator = random.Random(20)
    for number in range(20):
        forged = {**values, CODE: generator.getrandbits(64)}
        yield f"guessed code {number}", raw_frame("request", joined(fields_of("request", forged)))
    yield from wrong_numbers("request", values, NUMBERS)
    for bit in range(8):
        yield f"flag {bit}", raw_frame("request", joined(fields_of("request", {**values, "flags": 1 | 1 << bit})))
    for group in ("", "%{GLOBAL}", "x" * 1000, "\0", "../../etc"):
        yield f"group {group[:10]!r}", raw_frame("request", joined(fields_of("request", {**values, "application_group": group})))


def malformed(script: str) -> Iterator[Case]:
    values = sample(script)
    for name in frame_names():
        yield from wrong_sizes(name)
    yield from unknown_types()
    yield from cuts("request", values)
    yield from wrong_lengths("request", values)
    for program, data in PROGRAMS.items():
        yield f"the beginning of {program}", data
    _, most = limits("request")
    yield "the largest head, unsigned", header("request", most) + bytes(most)
    many = [("X", "")] * 40_000
    yield "too many variables", raw_frame("request", joined(fields_of("request", {**values, "variables": many})))
    yield "half of a header", header("request", 100)[:5]
    yield "nothing", b""


def replayed(captured: bytes, script: str, own_script: str) -> Iterator[Case]:
    """A request that the server has signed, with other bytes under its code."""
    for at in range(8, len(captured), max(1, len(captured) // 97)):
        changed = bytearray(captured)
        changed[at] ^= 1 << at % 8
        yield f"signed, byte {at} changed", bytes(changed)
    payload = captured[8:]
    for cut in (1, 8, 100):
        yield f"signed, {cut} bytes fewer", raw_frame("request", payload[:-cut])
    yield "signed, a byte more", raw_frame("request", payload + b"\0")
    short, long = own_script.encode(), script.encode()
    assert short in payload
    at = payload.index(short)
    forged = payload[: at - 4] + len(long).to_bytes(4, "little") + long + payload[at + len(short) :]
    yield "signed, another script", raw_frame("request", forged)


def has_codes() -> bool:
    return CODE in [name for name, _ in frame_definition("request")["fields"]]
