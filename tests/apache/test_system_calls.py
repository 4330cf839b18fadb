# SPDX-License-Identifier: Apache-2.0
"""System calls of a request, of all processes of the server, beyond those of a static file, have a ceiling. `make bench`
counts the same beside the reference."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import DEADLINE_SECONDS, HOST
from .httpd import Httpd, StartHttpd

SOURCE = Path(__file__).parents[2] / "bench" / "system_calls.py"
_spec = importlib.util.spec_from_file_location("bench_system_calls", SOURCE)
assert _spec is not None and _spec.loader is not None
bench = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(bench)

REQUESTS = 1000
CEILINGS = {"/e": 0, "/d": 10}
"""Embedded and daemon mode."""
CONNECTION_CALLS = set(
    "socket connect ioctl setsockopt getsockopt sendmsg sendto recvmsg recvfrom accept accept4 close shutdown fcntl ppoll".split()
)
WAITING_CALLS = {"futex", "epoll_wait", "epoll_ctl", "poll", "read"}
"""How often threads wait for one another, and look whether the client has sent more, depends on what else the machine does."""
TIMERS = 0.5
"""Calls of the server's timers. There are more of them for each request where requests take longer."""


@pytest.fixture(scope="module", params=["event", "prefork"])
def server(request: pytest.FixtureRequest, start_shared_httpd: StartHttpd) -> Httpd:
    server = start_shared_httpd(
        "WSGIDaemonProcess d threads=1",
        "WSGIScriptAlias /d ${APPS}/hello.py process-group=d application-group=%{GLOBAL}",
        "WSGIScriptAlias /e ${APPS}/hello.py process-group=%{GLOBAL} application-group=%{GLOBAL}",
        "MaxKeepAliveRequests 0",
        mpm=request.param,
    )
    (server.docs / "static.txt").write_text("hello")
    return server


@contextlib.contextmanager
def kept_connection(server: Httpd) -> Iterator[http.client.HTTPConnection]:
    with contextlib.closing(http.client.HTTPConnection(HOST, server.port, timeout=DEADLINE_SECONDS)) as connection:
        yield connection


def calls_of_a_request(server: Httpd, path: str) -> dict[str, float]:
    with kept_connection(server) as connection:

        def ask(number: int) -> None:
            for _ in range(number):
                connection.request("GET", path)
                assert connection.getresponse().read() == b"hello"

        ask(50)  # each process has loaded its script
        counts = bench.count(bench.family_of(server.pid), lambda: ask(REQUESTS))
    return {name: calls / REQUESTS for name, calls in counts.items() if name not in WAITING_CALLS}


@pytest.mark.parametrize("path", CEILINGS)
def test_a_request_makes_few_system_calls_beyond_those_of_a_static_file(server: Httpd, path: str) -> None:
    calls, of_a_file = calls_of_a_request(server, path), calls_of_a_request(server, "/static.txt")
    assert min(calls["writev"], of_a_file["openat"]) > 0.9, "the processes were not traced"
    beyond = sum(calls.values()) - sum(of_a_file.values())
    print(f"{path}: {beyond:.2f} system calls beyond a static file: {calls}, file: {of_a_file}")
    assert beyond <= CEILINGS[path] + TIMERS, (calls, of_a_file)


def test_a_connection_to_a_daemon_process_costs_nine_system_calls(server: Httpd) -> None:
    """Both processes together: socket, connect, sendmsg, recvfrom, close; accept4, recvfrom, sendmsg, close."""
    calls = calls_of_a_request(server, "/d")
    of_the_connection = sum(number for name, number in calls.items() if name in CONNECTION_CALLS)
    assert 8.5 < of_the_connection <= 9.1, calls
