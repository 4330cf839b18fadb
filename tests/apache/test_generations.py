# SPDX-License-Identifier: Apache-2.0
"""Restart after restart under load: nobody notices the graceful ones, and the parent does not grow."""

from __future__ import annotations

import time

import pytest

from .bodies import Clients
from .httpd import Httpd, StartHttpd
from .process import memory_kib, open_files, wait_until
from .scale import LONG_TIMEOUT_SECONDS, figure, scaled

GROWTH_KIB_PER_RESTART = 2
GROWTH_KIB_AT_ALL = 512
"""Allowance for the allocator, independent of the number of generations."""

pytestmark = pytest.mark.timeout(LONG_TIMEOUT_SECONDS)


def start(start_httpd: StartHttpd, mode: str, **options: object) -> Httpd:
    group = "d" if mode == "daemon" else "%{GLOBAL}"
    return start_httpd(
        "WSGIDaemonProcess d processes=2 threads=4",
        f"WSGIScriptAlias / ${{APPS}}/survival_app.py process-group={group} "
        "application-group=%{GLOBAL}",
        "KeepAliveTimeout 2",
        processes=2,
        **options,
    )


def generations(server: Httpd) -> int:
    return len(server.log_lines("resuming normal operations"))


def restart_under_load(server: Httpd, clients: Clients, number: int, gracefully: bool) -> list[tuple[int, int]]:
    """Restarts so often; returns memory and open files of the parent after each."""
    seen = []
    for _ in range(number):
        before = generations(server)
        time.sleep(0.3)
        clients.wait_for(3)
        if gracefully:
            server.graceful()
        else:
            server.restart()
        wait_until(lambda: generations(server) > before, "the next generation")
        if gracefully:
            # Restarts that come faster than processes begin would leave nobody to serve.
            assert server.get("/").status == 200
        seen.append((memory_kib(server.pid), open_files(server.pid)))
    return seen


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept", "closed"])
def test_graceful_restarts_fail_no_request(
    start_httpd: StartHttpd, mode: str, keep_alive: bool
) -> None:
    server = start(start_httpd, mode)
    number = scaled(3, 100)
    with Clients(server.port, 4, keep_alive=keep_alive) as clients:
        seen = restart_under_load(server, clients, number, gracefully=True)
    fates = clients.fates
    settled = seen[len(seen) // 2 - 1]
    figure(
        f"{number} graceful restarts, {mode}, connections {'kept' if keep_alive else 'closed'}",
        whole=fates.whole,
        failures=fates.failures,
        parent_kib=f"{seen[0][0]}, {settled[0]}, {seen[-1][0]}",
        parent_files=f"{seen[0][1]}, {seen[-1][1]}",
        longest_request_seconds=f"{fates.longest_seconds:.2f}",
    )
    assert not fates.faults, fates.faults[:3]
    assert fates.failures == 0
    grown = seen[-1][0] - settled[0]
    assert grown <= GROWTH_KIB_AT_ALL + GROWTH_KIB_PER_RESTART * number, seen
    assert seen[-1][1] <= seen[0][1], "descriptors are left behind"
    if mode == "daemon":
        assert len(list(server.layout.root.glob("wsgi.*.sock"))) == 1


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_hard_restarts_fail_only_what_is_in_flight(start_httpd: StartHttpd, mode: str) -> None:
    # Prefork, as the threaded servers at times crash by themselves when they are told to end while they serve.
    server = start(start_httpd, mode, mpm="prefork")
    number = scaled(2, 20)
    with Clients(server.port, 2, keep_alive=False) as clients:
        restart_under_load(server, clients, number, gracefully=False)
        time.sleep(0.5)
    fates = clients.fates
    figure(
        f"{number} hard restarts, {mode}",
        whole=fates.whole,
        failures=fates.failures,
        longest_request_seconds=f"{fates.longest_seconds:.2f}",
    )
    assert not fates.faults, fates.faults[:3]
    assert fates.failures <= 2 * number
    assert server.get("/").status == 200


def test_a_request_whose_head_takes_many_restarts_is_served(start_httpd: StartHttpd) -> None:
    server = start(start_httpd, "daemon")
    with server.raw() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        time.sleep(0.5)
        for _ in range(10):
            before = generations(server)
            server.graceful()
            wait_until(lambda: generations(server) > before, "the next generation")
        assert server.get("/").status == 200
        client.send(b"Connection: close\r\n\r\n")
        assert client.read_to_end().startswith(b"HTTP/1.1 200 ")
    assert not server.log_lines("no valid authentication code")
