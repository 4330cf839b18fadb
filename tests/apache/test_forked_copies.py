# SPDX-License-Identifier: Apache-2.0
"""Children that an application forks and that come back: they send, read, accept and record nothing, and end at once."""

from __future__ import annotations

import time

import pytest

from .client import RawClient, request_head
from .endpoint import ENDPOINT, MODULES, read, settled
from .httpd import Httpd, StartHttpd
from .process import wait_until

APP = "WSGIScriptAlias / ${APPS}/forked_app.py application-group=%{GLOBAL}"
ENDED = "has returned to the server's code; it ends without serving anything"
WITH_A_CHOICE = ("returns", "returns-large", "yields", "writes", "raises", "exits", "response_started")
IN_EVENTS = ("request_started", "request_exception", "request_finished", "finaliser")
KINDS = ("fork", "clone")


@pytest.fixture(params=["event", "prefork"])
def server(request: pytest.FixtureRequest, start_httpd: StartHttpd) -> Httpd:
    return start_httpd(APP, "KeepAlive On", mpm=request.param, processes=2 if request.param == "prefork" else 1)


def raw_responses(server: Httpd, path: str, body: bytes = b"") -> bytes:
    """All that comes on one connection for the request and one that follows it."""
    method = "POST" if body else "GET"
    lines = [f"Content-Length: {len(body)}"] if body else []
    with RawClient(server.port) as client:
        client.send(request_head(method, path, *lines) + body)
        client.send(request_head("GET", "/", "Connection: close"))
        return bytes(client.read_to_end())


def check_no_copy(server: Httpd, before: list[int]) -> None:
    wait_until(lambda: set(server.children()) <= set(before), f"the end of copies besides {before}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_that_comes_back_ends_without_a_byte(server: Httpd, kind: str) -> None:
    server.get("/")
    before = server.children()
    for path in WITH_A_CHOICE:
        lines = len(server.log_lines(ENDED))
        raw = raw_responses(server, f"/{path}?{kind}")
        assert raw.count(b"HTTP/1.1 200 OK\r\n") == 2, (path, raw)
        assert b"copy" not in raw, (path, raw)
        assert b"still there" not in raw, (path, raw)
        assert len(server.log_lines(ENDED)) == lines + 1, path
        check_no_copy(server, before)
    assert not server.log_lines("in the copy")


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_that_is_made_by_a_subscriber_or_a_finaliser_ends(server: Httpd, kind: str) -> None:
    server.get("/")
    before = server.children()
    for path in IN_EVENTS:
        lines = len(server.log_lines(ENDED))
        raw = raw_responses(server, f"/{path}?{kind}")
        assert raw.count(b"HTTP/1.1 ") == (1 if b" 500 " in raw[:20] else 2), (path, raw)
        server.get("/")  # the next request to begin finds the copy
        wait_until(lambda: len(server.log_lines(ENDED)) == lines + 1, f"the line of {path}")
        check_no_copy(server, before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_does_not_read_the_body(server: Httpd, kind: str) -> None:
    body = b"x" * 500_000
    raw = raw_responses(server, f"/reads?{kind}", body)
    assert b"ended 1 500000" in raw, raw
    assert raw.count(b"HTTP/1.1 200 OK\r\n") == 2


def test_a_copy_whose_last_thread_returns_runs_no_exit_handler(server: Httpd) -> None:
    server.get("/")
    before = server.children()
    assert server.get("/thread?fork").text == "ended 0"
    check_no_copy(server, before)
    assert server.get("/").status == 200
    assert not server.log_lines("process_stopping")


def test_a_copy_that_is_made_while_a_script_is_loaded_ends(start_httpd: StartHttpd) -> None:
    server = start_httpd("WSGIScriptAlias / ${APPS}/forks_at_import.py application-group=%{GLOBAL}")
    assert int(server.get("/").text) in server.children()
    server.wait_for_log(ENDED)
    assert {int(server.get("/").text) for _ in range(10)} <= set(server.children())


def test_counts_are_exact_and_the_end_leaves_no_copy(start_httpd: StartHttpd) -> None:
    server = start_httpd(APP, *ENDPOINT, modules=MODULES)
    sent = 0
    for path in (*WITH_A_CHOICE, *IN_EVENTS):
        for kind in KINDS:
            server.get(f"/{path}?{kind}")
            server.get("/")
            sent += 2
    assert settled(server, sent).requests() == sent
    time.sleep(0.5)
    assert read(server).requests() == sent
    server.graceful_stop()  # fails if a process is left behind
