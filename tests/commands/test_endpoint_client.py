# SPDX-License-Identifier: Apache-2.0
"""The client of the endpoint: addresses, every failure as one line, and bounds of time and size."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sluice.monitor.address import Address
from sluice.monitor.client import Client, EndpointError

from .endpoints import HOSTILE, INTERPRETED, answer, document, group, histogram, process, stub

GOOD = document(group())


def failure(address: str, timeout: float = 5.0, most_bytes: int = 1 << 20) -> str:
    """The client's error for an endpoint that gives no reading."""
    with pytest.raises(EndpointError) as caught:
        Client(Address.parse(address), timeout, most_bytes).read()
    line = str(caught.value)
    assert not any(character in line for character in INTERPRETED + "\n"), repr(line)
    return line


@pytest.mark.parametrize(
    ("text", "host", "port", "target"),
    [
        ("http://example.org", "example.org", 80, "/sluice-metrics?format=json"),
        ("example.org:8000", "example.org", 8000, "/sluice-metrics?format=json"),
        ("https://example.org/", "example.org", 443, "/sluice-metrics?format=json"),
        ("http://[::1]:81/a/b", "::1", 81, "/a/b?format=json"),
        ("http://[fe80::1%eth0]:81/a", "fe80::1%eth0", 81, "/a?format=json"),
        ("http://[fe80::1%25eth0]:81/a", "fe80::1%eth0", 81, "/a?format=json"),
        ("http://example.org/m?x=1", "example.org", 80, "/m?x=1&format=json"),
    ],
)
def test_addresses(text: str, host: str, port: int, target: str) -> None:
    address = Address.parse(text)
    assert (address.host, address.port, address.target, address.socket) == (host, port, target, None)


def test_a_socket_has_a_path_of_its_own() -> None:
    address = Address.parse("unix:/run/app.sock", "/status/m")
    assert (address.socket, address.target) == ("/run/app.sock", "/status/m?format=json")


@pytest.mark.parametrize(
    "text",
    [
        "unix:",
        "ftp://example.org",
        "http://",
        "http://a b",
        "http://a:99999",
        "http://a:x",
        "http://a\x1b[2J",
        "http://ä/",
        "http://[::1",
        "unix:a\0b",
    ],
)
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):
        Address.parse(text)


@pytest.mark.parametrize("text", ["http://u:secret@a b/", "http://u:secret@a:x/", "u:secret@ä", "ftp://u:secret@a", "http://u:se/cret@a/"])
def test_an_error_of_an_address_has_no_password(text: str) -> None:
    with pytest.raises(ValueError, match="'[^']*a") as error:
        Address.parse(text)
    assert "cret" not in str(error.value)


def test_a_password_is_sent_and_never_shown() -> None:
    with stub(GOOD) as endpoint:
        address = Address.parse(endpoint.address.replace("http://", "http://reader:p%40ss@"))
        Client(address).read()
        assert b"Authorization: Basic cmVhZGVyOnBAc3M=\r\n" in endpoint.requests[0]
    assert "p%40ss" not in f"{address} {address!r}" and "p@ss" not in f"{address!r}"
    assert "cmVhZGVyOnBAc3M" not in repr(address)


def test_the_zone_of_a_link_local_address_is_for_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    with stub(GOOD) as endpoint:
        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        port = int(endpoint.address.split(":")[2].split("/")[0])
        Client(Address.parse(f"http://[fe80::1%25eth0]:{port}/")).read()
        assert f"\r\nHost: [fe80::1]:{port}\r\n".encode() in endpoint.requests[0]
    assert asked == ["fe80::1%eth0"]


@pytest.mark.parametrize("unix", [False, True])
def test_a_reading(tmp_path: Path, unix: bool) -> None:
    slow = {"process_group": "d", "pid": 7, "thread": 2, "age_seconds": 1.5, "method": "GET", "path": "/x"}
    whole = document(group(process_list=[process(7, active_requests=1, active_seconds=1.5)]), slow_requests=[slow])
    with stub(whole, tmp_path / "socket" if unix else None) as endpoint:
        reading = Client(Address.parse(endpoint.address, "/metrics")).read()
        assert endpoint.requests[0].startswith(b"GET /metrics?format=json HTTP/1.1\r\n")
    assert reading.version == "0.1.0"
    assert reading.start_time == 1700000000.5
    (only,) = reading.groups
    assert only.process_list is not None and only.process_list[0].pid == 7
    assert only.occupied_seconds == 1.5
    assert reading.slow_requests is not None and reading.slow_requests[0].path == "/x"


def test_a_server_of_an_older_version_tells_less() -> None:
    old = document(group())
    del old["version"], old["start_time"], old["groups"][0]["process_list"]
    with stub(old) as endpoint:
        reading = Client(Address.parse(endpoint.address)).read()
    assert (reading.version, reading.start_time, reading.slow_requests) == ("", None, None)
    assert reading.groups[0].process_list is None and reading.groups[0].occupied_seconds is None


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert "connection refused" in failure(f"127.0.0.1:{free.getsockname()[1]}")
    assert "no such socket" in failure(f"unix:{tmp_path / 'absent'}")
    (tmp_path / "file").touch()
    assert "connection refused" in failure(f"unix:{tmp_path / 'file'}")
    assert "no such host" in failure("http://host.invalid/")
    assert "too long" in failure("unix:/" + "x" * 300)


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        ("401 Unauthorized", "", "asks for a user"),
        ("403 Forbidden", "", "Require"),
        ("404 Not Found", "", "no endpoint at this path"),
        ("503 Service Unavailable", "", "no reading at the moment"),
        ("500 Oops", "", "500: Internal Server Error"),
        ("302 Found", "Location: http://other/\x1b[2J\r\n", "302 and names another address: http://other/"),
        ("299 \x1b[2J", "", "299: an error"),
    ],
)
def test_statuses(status: str, headers: str, said: str) -> None:
    with stub(answer(b"no", status, headers)) as endpoint:
        assert said in failure(endpoint.address)


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"\xff\xfe", b'{"a":NaN}', b"[" * 100_000, b'{"groups":', b'{"a":' + b"9" * 10_000 + b"}", b'"\x1b[2J'],
)
def test_what_is_not_json(body: bytes) -> None:
    with stub(answer(body)) as endpoint:
        assert "the answer is not JSON" in failure(endpoint.address)


def spoilt(**members: object) -> dict[str, object]:
    return {**GOOD, "groups": [group(**members)]}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"groups": [], "total": None},
        spoilt(threads="4"),
        spoilt(threads=True),
        spoilt(threads=1.5),
        spoilt(threads=-1),
        spoilt(busy_seconds=10**400),
        spoilt(resident_memory_bytes=10**300),
        spoilt(process_list=[process(active_seconds=1.7e308)]),
        spoilt(requests=dict.fromkeys(["1xx", "2xx", "3xx", "4xx", "5xx"], 10**308)),
        spoilt(process_group=7),
        spoilt(process_list={}),
        spoilt(process_list=[{"pid": 1}]),
        spoilt(process_list=[process(listed="yes")]),
        spoilt(requests={"2xx": 1}),
        spoilt(request_duration_seconds={"buckets": {}, "sum": 0}),
        spoilt(request_duration_seconds={"buckets": {"1": 5, "+Inf": 4}, "sum": 0}),
        spoilt(request_duration_seconds={"buckets": {"1": 5, "0.5": 6, "+Inf": 7}, "sum": 0}),
        spoilt(request_duration_seconds={"buckets": {"1": 5, "nan": 6, "+Inf": 7}, "sum": 0}),
        spoilt(request_duration_seconds={"buckets": {HOSTILE: 5}, "sum": 0}),
        document(group(), slow_requests=[{}]),
        document(group(), slow_requests=[{"pid": 1}] * 1001),
        {**GOOD, "start_time": "now"},
        {**GOOD, "groups": [group()] * 4097},
    ],
)
def test_json_of_another_program_or_version(body: dict[str, object]) -> None:
    with stub(answer(json.dumps(body).encode())) as endpoint:
        assert "not that of this version of Sluice" in failure(endpoint.address, most_bytes=1 << 24)


def test_the_greatest_numbers_of_the_server_are_taken() -> None:
    """A process can write any number of 64 bits into its counters. That may not hide the other groups."""
    most = 2**64 - 1
    classes = dict.fromkeys(["1xx", "2xx", "3xx", "4xx", "5xx"], most)
    figures = {"requests": classes, "resident_memory_bytes": most, "busy_seconds": most / 1e6}
    with stub(document(group(**figures))) as endpoint:
        assert Client(Address.parse(endpoint.address)).read().groups[0].requests[0] == most


def test_an_answer_that_is_no_http() -> None:
    with stub(b"SSH-2.0-\x1b[2J\r\n") as endpoint:
        assert "does not speak HTTP" in failure(endpoint.address)
    with stub(b"") as endpoint:
        assert "closed the connection" in failure(endpoint.address)
    with stub(answer(b"", "400 Bad Request")) as endpoint:
        assert "does not speak TLS" in failure(endpoint.address.replace("http:", "https:"))


def test_an_answer_that_ends_early() -> None:
    with stub(answer(GOOD)[:-9]) as endpoint:
        assert "ended early" in failure(endpoint.address)


@pytest.mark.parametrize("chunks", [b"", b"5\r\n{}", b"zz\r\n{}\r\n"])
def test_chunks_that_end_early_or_are_none(chunks: bytes) -> None:
    with stub(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks) as endpoint:
        assert "ended early" in failure(endpoint.address)


def test_an_answer_without_an_end_is_cut() -> None:
    sent = 0

    def endless(number: int, head: bytes) -> Iterator[bytes]:
        nonlocal sent
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            sent += 65536
            yield b" " * 65536

    with stub(endless) as endpoint:
        assert "longer than 100000 bytes" in failure(endpoint.address, most_bytes=100_000)
    assert sent < 32 << 20  # buffers of the kernel included


@pytest.mark.parametrize("first", [b"HTTP/1.1 200 OK\r\n\r\n", b"", b"\x16\x03\x03\x40\x00"])
def test_an_answer_that_trickles_is_not_waited_for(first: bytes) -> None:
    """Each byte comes within the timeout of a socket; the whole answer does not."""

    def trickle(number: int, head: bytes) -> Iterator[bytes]:
        yield first
        while True:
            time.sleep(0.05)
            yield b"H"

    with stub(trickle) as endpoint:
        address = endpoint.address.replace("http:", "https:") if first.startswith(b"\x16") else endpoint.address
        assert "no answer within 0.5 s" in failure(address, timeout=0.5)


def test_texts_of_the_server_have_no_control_characters() -> None:
    hostile = {"process_group": HOSTILE, "pid": 1, "thread": 1, "age_seconds": 1, "method": HOSTILE, "path": HOSTILE * 100}
    named = group(HOSTILE, mode=HOSTILE, process_list=[process(state=HOSTILE)], phase_duration_seconds={HOSTILE: histogram()})
    with stub(document(named, slow_requests=[hostile], version=HOSTILE)) as endpoint:
        reading = Client(Address.parse(endpoint.address)).read()
    assert not any(character in repr(reading).replace("\\x1b", "\x1b").replace("\\r", "\r") for character in INTERPRETED + "\n")
    assert reading.slow_requests is not None and len(reading.slow_requests[0].path) == 400
    assert reading.groups[0].name == "a\ufffd[31mb\ufffd\ufffd\ufffd2J\ufffd\ufffd[red]c[/red]"


@contextlib.contextmanager
def full_queue(family: int, address: Any) -> Iterator[Any]:
    """A listener that accepts nothing, with a full queue of connections; gives its address."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family))
        listener.bind(address)
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket(family))
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(listener.getsockname())
        yield listener.getsockname()


def test_all_addresses_of_a_host_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with full_queue(socket.AF_INET, ("127.0.0.1", 0)) as silent, stub(document(group())) as endpoint:
        real = Address.parse(endpoint.address)
        places = [silent, silent, silent, (real.host, real.port)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 0, "", at) for at in places])
        assert Client(real, 2.0).read().groups
        places.pop()
        waits: list[float] = []

        class NotedSocket(socket.socket):
            """Notes how long each connection may take to be made."""

            def connect(self, address: Any) -> None:
                waits.append(self.gettimeout() or 0.0)
                super().connect(address)

        monkeypatch.setattr(socket, "socket", NotedSocket)
        assert failure("http://example.org", 1.0).endswith("no answer within 1 s")
        assert len(waits) == 3 and sum(waits) < 1.1


def test_a_name_service_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def ask(host: str, *_: Any, flags: int = 0, **__: Any) -> list[Any]:
        if not flags & socket.AI_NUMERICHOST:
            over.wait(30)
        raise socket.gaierror(socket.EAI_NONAME, f"no {host}")

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    try:
        assert failure("http://example.org", 0.5).endswith("no answer within 0.5 s")
    finally:
        over.set()
    assert failure("http://example.org").endswith("there is no such host")


def test_a_unix_socket_with_a_full_queue_is_waited_for(tmp_path: Path) -> None:
    with full_queue(socket.AF_UNIX, str(tmp_path / "s")) as path:
        begun = time.monotonic()
        assert failure(f"unix:{path}", 0.5).endswith("no answer within 0.5 s")
        assert time.monotonic() - begun >= 0.5
