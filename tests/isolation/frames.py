# SPDX-License-Identifier: Apache-2.0
"""Wrong frames, generated from the definition of the protocol: every type in every place, sizes around each limit, cuts at
each border of a field, and lengths and counts that are not true."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from apache.wire import definition, frame_definition, header, raw_frame, text

HUGE = (1 << 31, (1 << 32) - 1)
UNKNOWN_TYPES = (0, 99, (1 << 32) - 1)
SENT_AT_MOST = 1 << 16
"""Limit of the bytes that are sent of a payload whose size is wrong in itself."""

NUMBERS = {"u32": "=I", "u64": "=Q"}
COUNT = "=I"
"""The format of the length of a text and of the number of pairs."""

Field = tuple[str, str, Any]


def frame_names(sender: str | None = None) -> list[str]:
    return [frame["name"] for frame in definition()["frames"] if sender in (None, frame["sender"])]


def limits(name: str) -> tuple[int, int]:
    frame = frame_definition(name)
    return int(frame["least"]), int(frame["most"])


def encoded(kind: str, value: Any) -> bytes:
    if kind in NUMBERS:
        return struct.pack(NUMBERS[kind], value & ((1 << 8 * struct.calcsize(NUMBERS[kind])) - 1))
    if kind == "text":
        return text(value)
    if kind == "pairs":
        return struct.pack(COUNT, len(value)) + b"".join(text(key) + text(item) for key, item in value)
    return bytes(value)


def fields_of(name: str, values: dict[str, Any]) -> list[Field]:
    """The fields of a frame with the values that they are to have."""
    empty: dict[str, Any] = {"text": "", "pairs": [], "bytes": b""}
    return [(field, kind, values.get(field, empty.get(kind, 0))) for field, kind in frame_definition(name)["fields"]]


def joined(fields: list[Field]) -> bytes:
    return b"".join(encoded(kind, value) for _, kind, value in fields)


# Generators: each gives the name of a case and the bytes of one frame.


def wrong_sizes(name: str) -> Iterator[tuple[str, bytes]]:
    """Sizes that the frame cannot have, with as many bytes as can be sent, and sizes that it can have with nothing in them
    that makes sense."""
    least, most = limits(name)
    for size in sorted({0, 1, least, most, most + 1, *HUGE}):
        yield f"{name} of {size} zeros", header(name, size) + bytes(min(size, SENT_AT_MOST))


def unknown_types() -> Iterator[tuple[str, bytes]]:
    for number in UNKNOWN_TYPES:
        for size in (0, 1, 1 << 30):
            yield f"type {number} of {size} bytes", header(number, size) + bytes(min(size, SENT_AT_MOST))


def cuts(name: str, values: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """The payload ends before each field, and one byte into it: as the header says, and against the header."""
    fields = fields_of(name, values)
    whole = joined(fields)
    at = 0
    for field, kind, value in fields:
        for where, cut in (("before", at), ("inside", at + 1)):
            if cut < len(whole):
                yield f"{name} that ends {where} {field}", raw_frame(name, whole[:cut])
                yield f"{name} that is cut off {where} {field}", header(name, len(whole)) + whole[:cut]
        at += len(encoded(kind, value))
    yield f"{name} with a byte too many", raw_frame(name, whole + b"\0")


def wrong_lengths(name: str, values: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Lengths of texts and numbers of pairs that are not true."""
    fields = fields_of(name, values)
    at = 0
    whole = joined(fields)
    width = struct.calcsize(COUNT)
    for field, kind, value in fields:
        if kind in ("text", "pairs"):
            (true,) = struct.unpack_from(COUNT, whole, at)
            for length in sorted({0, true + 1, true - 1, len(whole), *HUGE} - {true, -1}):
                forged = whole[:at] + struct.pack(COUNT, length) + whole[at + width :]
                yield f"{name} whose {field} says {length}", raw_frame(name, forged)
        at += len(encoded(kind, value))


def wrong_numbers(name: str, values: dict[str, Any], numbers: tuple[int, ...]) -> Iterator[tuple[str, bytes]]:
    """Each number of the frame with each of these values."""
    for field, kind, _ in fields_of(name, values):
        if kind in NUMBERS:
            for number in numbers:
                yield f"{name} whose {field} is {number}", raw_frame(name, joined(fields_of(name, {**values, field: number})))
