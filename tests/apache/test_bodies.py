# SPDX-License-Identifier: Apache-2.0
"""Bodies of any size, both ways and in both modes: byte by byte the same, and never held in memory."""

from __future__ import annotations

import hashlib
import http.client
import itertools
import random
from collections.abc import Iterator

import pytest

from .client import HOST
from .httpd import Httpd, StartHttpd
from .process import memory_kib
from .scale import LONG, LONG_TIMEOUT_SECONDS, figure

MIB = 1 << 20
SIZES = [0, 1, 8191, 8192, 8193, 65535, 65536, 65537, MIB + 1, 16 * MIB]
LARGE = [64 * MIB, 1024 * MIB]
GROWTH_KIB = 24 * 1024
"""Growth of the peak memory of a process that is allowed: buffers, but not a whole body."""

pytestmark = pytest.mark.timeout(LONG_TIMEOUT_SECONDS)


@pytest.fixture(params=["embedded", "daemon"])
def server(request: pytest.FixtureRequest, start_httpd: StartHttpd) -> Httpd:
    group = "d" if request.param == "daemon" else "%{GLOBAL}"
    return start_httpd(
        "WSGIDaemonProcess d threads=4",
        f"WSGIScriptAlias / ${{APPS}}/bodies_app.py process-group={group} "
        "application-group=%{GLOBAL}",
        "WSGIPythonPath ${APPS}",
        "LimitRequestBody 0",
    )


def pieces(size: int) -> Iterator[bytes]:
    """The body of `size` bytes, as apps/bodies_app.py makes it."""
    piece = random.Random(1).randbytes(65536 + 1)
    for length in itertools.cycle((65537, 1, 4096, 65536)):
        part = piece[: min(length, size)]
        size -= len(part)
        if part:
            yield part
        if size == 0:
            return


def up(server: Httpd, size: int, chunked: bool) -> str:
    headers = {} if chunked else {"Content-Length": str(size)}
    connection = http.client.HTTPConnection(HOST, server.port, timeout=120)
    connection.request("POST", "/up", body=pieces(size), headers=headers, encode_chunked=chunked)
    answer = connection.getresponse().read().decode()
    connection.close()
    return answer


def down(server: Httpd, size: int, told: bool) -> str:
    connection = http.client.HTTPConnection(HOST, server.port, timeout=120)
    connection.request("GET", f"/down?size={size}" + ("&length=told" if told else ""))
    reply = connection.getresponse()
    # The server itself tells the length of what comes in one piece.
    assert not told or reply.headers["Content-Length"] == str(size)
    seen = hashlib.sha256()
    count = 0
    while part := reply.read(1 << 18):
        seen.update(part)
        count += len(part)
    connection.close()
    return f"{count} {seen.hexdigest()}"


def digest(parts: Iterator[bytes]) -> str:
    seen = hashlib.sha256()
    count = 0
    for part in parts:
        seen.update(part)
        count += len(part)
    return f"{count} {seen.hexdigest()}"


def test_bodies_arrive_byte_by_byte_and_are_never_held_in_memory(server: Httpd) -> None:
    up(server, 8 * MIB, True)
    down(server, 8 * MIB, False)
    before = {pid: memory_kib(pid, "VmHWM") for pid in server.members()}
    for size in SIZES + (LARGE if LONG else []):
        expected = digest(pieces(size))
        assert expected.startswith(f"{size} ")
        for flag in (False, True):
            assert up(server, size, flag) == expected, f"up, {size} bytes, chunked: {flag}"
            assert down(server, size, flag) == expected, f"down, {size} bytes, length told: {flag}"
    growth = max(memory_kib(pid, "VmHWM") - before[pid] for pid in server.members())
    figure(f"bodies of up to {size >> 20} MiB", peak_growth_kib=growth)
    assert growth < GROWTH_KIB
