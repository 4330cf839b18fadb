# SPDX-License-Identifier: Apache-2.0
"""The protocol between the server and its daemon processes, as the program `wire_definition` of the build tells it: frames
that are right, and by hand frames that are wrong."""

from __future__ import annotations

import json
import struct
import subprocess
from functools import cache
from typing import Any

from .config import PROJECT

PROGRAM = PROJECT / "build/release/tests/isolation/wire_definition"


@cache
def definition() -> dict[str, Any]:
    """The output of the program."""
    return dict(json.loads(subprocess.run([PROGRAM], check=True, capture_output=True).stdout))


def frame_definition(name: str) -> dict[str, Any]:
    return next(dict(frame) for frame in definition()["frames"] if frame["name"] == name)


def header(kind: int | str, size: int) -> bytes:
    """The header of a frame, by the name or the number of its type."""
    number = kind if isinstance(kind, int) else int(frame_definition(kind)["type"])
    return struct.pack("=II", number, size)


def raw_frame(kind: int | str, payload: bytes = b"") -> bytes:
    return header(kind, len(payload)) + payload


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("=I", len(raw)) + raw


def payload(name: str, **values: Any) -> bytes:
    """The payload of a frame; a field that is not given is zero or empty. Numbers wrap around."""
    encoded = b""
    for field, kind in frame_definition(name)["fields"]:
        value = values.pop(field, None)
        if kind == "u32":
            encoded += struct.pack("=I", (value or 0) & 0xFFFFFFFF)
        elif kind == "u64":
            encoded += struct.pack("=Q", (value or 0) & 0xFFFFFFFFFFFFFFFF)
        elif kind == "text":
            encoded += text(value or "")
        elif kind == "pairs":
            pairs = value or []
            encoded += struct.pack("=I", len(pairs)) + b"".join(text(key) + text(item) for key, item in pairs)
        else:
            encoded += value or b""
    assert not values, f"{name} has no field {sorted(values)}"
    return encoded


def frame(name: str, **values: Any) -> bytes:
    return raw_frame(name, payload(name, **values))


def response(
    line: str = "200 OK", headers: list[tuple[str, str]] | None = None, status: int | None = None
) -> bytes:
    """The head of a response."""
    number = int(line[:3]) if status is None else status
    return frame("response", status=number, status_line=line, headers=headers or [])
