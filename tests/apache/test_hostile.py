# SPDX-License-Identifier: Apache-2.0
"""Clients that break off, dawdle or lie; afterwards the server serves as before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from .client import request_head, status_of
from .httpd import Httpd, StartHttpd
from .process import wait_until
from .windows import check_reports, read_reports, wait_for_window

ABORTS = 60


@pytest.fixture(scope="module", params=["event", "prefork"])
def shared_server(
    request: pytest.FixtureRequest, start_shared_httpd: StartHttpd
) -> Iterator[Httpd]:
    """One server for all; at the end its windows must be coherent."""
    server = start_shared_httpd(
        "WSGIScriptAlias / ${APPS}/hostile_app.py",
        "WSGIPythonPath ${APPS}",
        mpm=request.param,
        processes=4 if request.param == "prefork" else 1,
    )
    server.get("/")
    yield server
    server.stop()
    check_reports(read_reports(server.out))


@pytest.fixture
def server(shared_server: Httpd) -> Iterator[Httpd]:
    """After each test the server must serve, with nothing left in flight."""
    children = set(shared_server.children())
    yield shared_server
    assert [shared_server.get("/").text for _ in range(20)] == ["fine"] * 20
    wait_until(lambda: in_flight(shared_server) == 0, "an end of all requests in flight")
    assert set(shared_server.children()) == children


def in_flight(server: Httpd) -> int:
    """Requests that the newest readings of all processes show in flight."""
    newest = [report.last for report in read_reports(server.out)]
    return sum(
        entry["process"]["active_requests"]
        + sum(elapsed > 0.0 for elapsed in entry["window"]["request_threads_current_elapsed"])
        for entry in newest
    )


def test_clients_that_disconnect_within_the_body_end_in_an_os_error(server: Httpd) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    source = random.Random(seed)
    for _ in range(ABORTS):
        with server.raw() as client:
            client.send(request_head("POST", "/swallow", "Content-Length: 50000"))
            client.send(b"y" * source.randrange(1, 49_999))
            client.abort()
    server.wait_for_log("OSError")
    assert server.log_lines("body broke off after")


@pytest.mark.parametrize("path", ["/endless", "/endless-write"])
def test_clients_that_disconnect_within_the_response_end_it(server: Httpd, path: str) -> None:
    before = len(server.log_lines("endless response closed"))
    for _ in range(8):
        with server.raw() as client:
            client.send(request_head("GET", path))
            client.read_until(b"zzz")
            client.abort()
    wait_until(
        lambda: len(server.log_lines("endless response closed")) == before + 8,
        "close() of all responses",
    )


def test_clients_that_disconnect_before_the_response_harm_nobody(server: Httpd) -> None:
    for _ in range(8):
        with server.raw() as client:
            client.send(request_head("GET", "/slow"))
            client.abort()


def test_connections_without_a_request_harm_nobody(server: Httpd) -> None:
    for data in (b"", b"GET", b"\r\n", b"\0" * 100, bytes(range(256))):
        with server.raw() as client:
            client.send(data)
            client.abort()


def test_a_body_that_trickles_in_arrives_whole(server: Httpd) -> None:
    with server.raw() as client:
        head = request_head("POST", "/swallow", "Content-Length: 100", "Connection: close")
        client.trickle(head + b"y" * 100, 0.002)
        assert client.read_to_end().endswith(b"\r\n\r\n100")


def test_a_chunked_body_that_trickles_in_arrives_whole(server: Httpd) -> None:
    with server.raw() as client:
        head = request_head("POST", "/swallow", "Transfer-Encoding: chunked", "Connection: close")
        client.trickle(head + b"5;ext=1\r\nabcde\r\n" * 10 + b"0\r\nTrailer: x\r\n\r\n", 0.002)
        assert client.read_to_end().endswith(b"\r\n\r\n50")


def test_others_are_served_while_clients_dawdle(server: Httpd) -> None:
    """All threads but one wait for bodies that do not come."""
    dawdling = [server.raw() for _ in range(3)]
    for client in dawdling:
        client.send(request_head("POST", "/swallow", "Content-Length: 10") + b"half")
    if len(server.children()) == 1:
        wait_for_window(
            server.out,
            lambda window: sum(t > 0.0 for t in window["request_threads_current_elapsed"]) == 3,
            "three requests in flight",
        )
    assert [server.get("/").text for _ in range(10)] == ["fine"] * 10
    for client in dawdling:
        client.abort()


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\nabc\r\n",
        b"-5\r\nabcde\r\n0\r\n\r\n",
        b"5\r\nabcdefgh\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nabc\r\n",
        b"5\r\nabc",
        b"\r\n\r\n",
    ],
)
def test_broken_chunks_are_refused_or_end_in_an_error(server: Httpd, chunks: bytes) -> None:
    with server.raw() as client:
        client.send(request_head("POST", "/swallow", "Transfer-Encoding: chunked") + chunks)
        client.finish_sending()
        raw = client.read_to_end()
    assert raw == b"" or status_of(raw) >= 400, raw


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: -1"],
        ["Content-Length: 5x"],
        ["Content-Length: 99999999999999999999999"],
        ["Transfer-Encoding: gzip"],
        ["X-Bad\x00Name: 1"],
        ["X-Header: a\rX-Injected: b"],
        ["X-Header: a\x00b"],
        ["X Header: a"],
    ],
)
def test_malformed_heads_are_refused(server: Httpd, lines: list[str]) -> None:
    with server.raw() as client:
        client.send(request_head("POST", "/swallow", *lines) + b"abcde")
        client.finish_sending()
        raw = client.read_to_end()
    assert raw == b"" or status_of(raw) >= 400, raw


def test_a_request_with_both_lengths_cannot_smuggle_another(server: Httpd) -> None:
    smuggled = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with server.raw() as client:
        head = request_head("POST", "/swallow", "Content-Length: 4", "Transfer-Encoding: chunked")
        client.send(head + b"0\r\n\r\n" + smuggled)
        client.finish_sending()
        raw = client.read_to_end()
    assert raw.count(b"HTTP/1.1 200") <= 1 or b"Connection: close" in raw


def test_many_clients_that_abort_at_once_leave_nothing_in_flight(server: Httpd) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")

    def misbehave(number: int) -> None:
        source = random.Random(seed + number)
        path = source.choice(["/swallow", "/endless", "/slow", "/"])
        with server.raw() as client:
            client.send(request_head("POST", path, "Content-Length: 20000"))
            client.send(b"y" * source.randrange(20_000))
            client.abort()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(misbehave, range(150)))
