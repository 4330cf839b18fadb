# SPDX-License-Identifier: Apache-2.0
"""Responses that are used from event callbacks, threads and finalisers: one head, one length, nothing in the next response."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .client import RawClient, request_head
from .httpd import Httpd, StartHttpd

APP = "WSGIScriptAlias / ${APPS}/states_app.py application-group=%{GLOBAL}"
ROUNDS = 30


@pytest.fixture(scope="module")
def shared_server(start_shared_httpd: StartHttpd) -> Httpd:
    return start_shared_httpd(APP, "KeepAlive On", "MaxKeepAliveRequests 0", threads=6)


@pytest.fixture
def server(shared_server: Httpd) -> Iterator[Httpd]:
    """No process may have died since the test began."""
    shared_server.get("/")
    before = shared_server.children()
    yield shared_server
    assert shared_server.get("/").text == "marker"
    assert set(before) <= set(shared_server.children())


def exchange(server: Httpd, name: str, body: bytes = b"") -> tuple[bytes, bytes]:
    """The bytes before the response to the marker on one connection, and that response, or nothing when the connection ended."""
    lines = [f"Content-Length: {len(body)}"] if body else []
    with RawClient(server.port) as client:
        client.send(request_head("POST" if body else "GET", f"/{name}", *lines) + body)
        client.send(request_head("GET", "/", "Connection: close"))
        raw = bytes(client.read_to_end())
    position = raw.rfind(b"HTTP/1.1 200 OK\r\n")
    marker = raw[position:] if b"X-Marker: yes" in raw[position:] else b""
    return (raw[:position] if marker else raw), marker


def check_marker(marker: bytes) -> None:
    if marker:
        assert marker.endswith(b"\r\n\r\nmarker"), marker


def check_one_response(first: bytes, marker: bytes) -> bytes:
    """The body of a whole first response, or of one that the server broke off by ending the connection."""
    check_marker(marker)
    head, separator, body = first.partition(b"\r\n\r\n")
    assert separator, first
    assert len(re.findall(rb"^HTTP/1\.1 ", first, re.MULTILINE)) == 1, first
    lengths = re.findall(rb"(?i)^content-length: (\d+)", head, re.MULTILINE)
    assert len(lengths) <= 1, head
    assert len(re.findall(rb"(?im)^x-head:", head)) <= 1, head
    if lengths and marker:
        assert len(body) == int(lengths[0]), (head, body[:100])
    elif lengths:
        assert len(body) <= int(lengths[0]), (head, body[:100])
    return body


@pytest.mark.parametrize(
    "name",
    [
        "write-inside-the-event",
        "start-inside-the-event",
        "write-by-hooks",
    ],
)
def test_the_head_that_was_sent_stays_the_only_one(server: Httpd, name: str) -> None:
    for _ in range(ROUNDS):
        first, marker = exchange(server, name)
        check_one_response(first, marker)
        if b"X-Head: first" in first:
            assert b"X-Head: second" not in first
            assert first.endswith(b"\r\n\r\nfirst")
        assert marker, first


def test_a_thread_that_starts_responses_for_ever_gets_one_head_at_most(server: Httpd) -> None:
    for _ in range(ROUNDS):
        first, marker = exchange(server, "start-after-the-end")
        check_one_response(first, marker)  # either head may come first, and the body may be too short for it


def test_garbage_that_writes_while_heads_are_refused_sends_one_head(server: Httpd) -> None:
    for _ in range(ROUNDS):
        first, marker = exchange(server, "write-by-an-exception")
        check_one_response(first, marker)


@pytest.mark.parametrize("name", ["write-when-finished", "write-by-a-finaliser"])
def test_nothing_is_sent_after_the_end(server: Httpd, name: str) -> None:
    for _ in range(ROUNDS):
        first, marker = exchange(server, name)
        assert b"late" not in first + marker, first
        assert b"whole" in first
        check_one_response(first, marker)
        assert marker


def test_nothing_is_sent_once_the_application_has_failed(server: Httpd) -> None:
    for _ in range(ROUNDS):
        first, marker = exchange(server, "write-while-it-fails")
        assert first.startswith(b"HTTP/1.1 500 "), first
        assert b"late" not in first
        check_one_response(first, marker)


def test_what_a_thread_is_refused_does_not_count_as_sent(server: Httpd) -> None:
    for _ in range(8):
        first, marker = exchange(server, "two-writers")
        check_one_response(first, marker)


def test_an_application_may_fail_while_a_thread_of_it_sends(server: Httpd) -> None:
    for _ in range(12):
        first, marker = exchange(server, "writer-left-behind")
        assert not first.endswith(b"0\r\n\r\n"), "the end is marked"
        assert not marker
        assert first.startswith(b"HTTP/1.1 ")


def test_one_thread_may_read_while_another_sends(server: Httpd) -> None:
    body = b"e" * 400_000
    for _ in range(12):
        first, marker = exchange(server, "reader-and-writer", body)
        check_one_response(first, marker)
        assert b"400000" in first[-40:], first[-100:]
        assert marker
