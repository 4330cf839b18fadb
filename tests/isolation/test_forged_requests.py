# SPDX-License-Identifier: Apache-2.0
"""A program of the web user outside Apache against the sockets of daemon processes: it has the permission to connect, and
nothing that it sends has code run in a daemon process (I4)."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache.client import fetch
from apache.httpd import Httpd
from apache.process import memory_kib, open_files, wait_until
from apache.wire import header

from .bystanders import Bystanders
from .forged_requests import Case, has_codes, malformed, replayed, unsigned
from .server import APPS, ATTACKER, IS_ROOT, VICTIM, WEB_USER, Serve, daemons, two_tenants, web_children
from .threads import check_threads

SOCKET_SECONDS = 2
GROWTH_KIB = 8 * 1024
OUTSIDER = APPS / "outsider.py"
FLOOD = 500
RESPONSE = header("response", 0)[:4].hex()
DATA = header("data", 0)[:4].hex()


@pytest.fixture(scope="module", params=["event", "prefork"])
def server(request: pytest.FixtureRequest, serve_shared: Serve) -> Iterator[Httpd]:
    server = serve_shared(
        *two_tenants(victim=f"socket-timeout={SOCKET_SECONDS}"), mpm=request.param, processes=8, threads=2
    )
    (server.apps / "canary.py").write_text(f"open({str(mark(server))!r}, 'w')\n")
    (server.apps / "canary.py").chmod(0o644)
    for _ in range(20):
        server.get(f"/{VICTIM}")
    yield server


def mark(server: Httpd) -> Path:
    """The file that the script in forged requests writes when it runs."""
    return server.out / "ran"


def canary(server: Httpd) -> str:
    return str(server.apps / "canary.py")


def socket_of(server: Httpd, group: str) -> str:
    """Sockets are numbered in the order in which the groups are configured."""
    paths = sorted(server.layout.root.glob("wsgi.*.sock"), key=lambda path: int(path.name.split(".")[-2]))
    return str(paths[[ATTACKER, VICTIM].index(group)])


def outsider(*arguments: str, **options: object) -> subprocess.Popen[str]:
    identity = {"user": WEB_USER.pw_uid, "group": WEB_USER.pw_gid, "extra_groups": []} if IS_ROOT else {}
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, str(OUTSIDER), *arguments], text=True, stdout=subprocess.PIPE, stdin=subprocess.PIPE, **identity
    )


def send(server: Httpd, cases: list[Case], group: str = VICTIM) -> list[str]:
    """The answers to forged requests. The names are unique, because they are what a failure tells."""
    file = server.out / "cases"
    file.write_text("".join(f"{data.hex()}\n" for _, data in cases))
    answers, _ = outsider("cases", socket_of(server, group), str(file)).communicate(timeout=200)
    return answers.split()


def check(server: Httpd, cases: list[Case]) -> None:
    (own,) = daemons(server, VICTIM)
    memory, files = memory_kib(own), open_files(own)
    bystanders = Bystanders(server, [VICTIM], [*daemons(server, VICTIM), *web_children(server)])
    answers = send(server, cases)
    assert len(answers) == len(cases)
    served = [
        f"{name}: {answer[:80]}"
        for (name, _), answer in zip(cases, answers, strict=True)
        if answer == "late" or answer.startswith((RESPONSE, DATA))
    ]
    assert not served, "\n".join(served)
    assert not mark(server).exists(), "a forged request has had its script run"
    bystanders.check()
    assert memory_kib(own) - memory < GROWTH_KIB
    wait_until(lambda: open_files(own) <= files + 1, "the end of all connections")
    check_threads(server, f"/{VICTIM}")


def refusals(server: Httpd) -> int:
    return len(server.log_lines("without an answer"))


def test_requests_without_a_valid_code_run_nothing(server: Httpd) -> None:
    before = refusals(server)
    cases = list(unsigned(canary(server)))
    assert len(cases) >= 60
    check(server, cases)
    assert refusals(server) - before <= 1, "more than one line in a minute"


def test_malformed_requests_run_nothing(server: Httpd) -> None:
    before = refusals(server)
    cases = list(malformed(canary(server)))
    assert len(cases) >= 60
    check(server, cases)
    assert refusals(server) - before <= 1, "more than one line in a minute"


def capture(server: Httpd, group: str) -> bytes:
    """A request as the server signs it: the test takes the place of the daemon process for a moment, which only root can."""
    path = socket_of(server, group)
    hidden = path + ".hidden"
    os.rename(path, hidden)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            os.chown(path, WEB_USER.pw_uid, -1)
            listener.listen()
            listener.settimeout(10)
            asking = threading.Thread(target=lambda: fetch(server.port, f"/{group}?marker=captured"))
            asking.start()
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(0.5)
                captured = b""
                with contextlib.suppress(TimeoutError):
                    while more := connection.recv(65536):
                        captured += more
            asking.join()
    finally:
        os.rename(hidden, path)
    return captured


@pytest.mark.skipif(not IS_ROOT, reason="only root can take the place of a daemon process")
def test_a_code_does_not_hold_for_other_bytes_or_another_group(server: Httpd) -> None:
    if not has_codes():
        pytest.fail("requests have no code")
    captured = capture(server, VICTIM)
    check(server, list(replayed(captured, canary(server), str(server.apps / "witness_app.py"))))
    # The same bytes, signed with the key of another group.
    assert send(server, [("of another group", captured)], ATTACKER) == ["-"]
    assert send(server, [("of another group", capture(server, ATTACKER))], VICTIM) == ["-"]


@pytest.mark.skipif(not IS_ROOT, reason="only root can take the place of a daemon process")
def test_a_code_of_before_a_restart_ends_with_its_generation(serve: Serve) -> None:
    """After 32 more configurations the key is not known any more."""
    server = serve(*two_tenants())
    captured = capture(server, VICTIM)
    for _ in range(32):
        said = len(server.log_lines("resuming normal operations"))
        server.graceful()
        wait_until(lambda said=said: len(server.log_lines("resuming normal operations")) > said, "a restart")
    wait_until(lambda: len(daemons(server, VICTIM)) == 1, "the end of processes of generations before")
    assert fetch(server.port, f"/{VICTIM}").status == 200
    assert send(server, [("old", captured)]) == ["-"]


# In time and in number


def test_requests_that_trickle_in_free_their_threads_in_time(server: Httpd) -> None:
    file = server.out / "cases"
    file.write_text(next(data for _, data in unsigned(canary(server))).hex() + "\n")
    process = outsider("trickle", socket_of(server, VICTIM), str(file))
    said, _ = process.communicate(timeout=60)
    sent, size = map(int, said.split())
    assert sent < size, "a connection was open until its last byte"
    check_threads(server, f"/{VICTIM}")


def test_a_flood_of_idle_connections_is_survived(server: Httpd) -> None:
    """While it lasts it takes the threads of its group, each for socket-timeout at most; other groups answer, and so does
    this one as soon as the flood is over."""
    (own,) = daemons(server, VICTIM)
    before, memory = refusals(server), memory_kib(own)
    process = outsider("idle", socket_of(server, VICTIM), str(FLOOD))
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline().startswith("ready")
    for _ in range(5):
        assert fetch(server.port, f"/{ATTACKER}/nothing").status == 200
    time.sleep(SOCKET_SECONDS + 0.5)
    assert open_files(own) < 50, "it holds connections beyond its threads"
    process.stdin.close()
    process.wait(10)
    assert fetch(server.port, f"/{VICTIM}").status == 200
    check_threads(server, f"/{VICTIM}")
    assert memory_kib(own) - memory < GROWTH_KIB
    assert refusals(server) - before <= 1, "more than one line in a minute"
    assert daemons(server, VICTIM) == [own]


def test_clients_that_connect_and_vanish_harm_nobody(server: Httpd) -> None:
    bystanders = Bystanders(server, [VICTIM], [*daemons(server, VICTIM), *web_children(server)])
    before = refusals(server)
    assert outsider("vanish", socket_of(server, VICTIM), "1000").wait(60) == 0
    bystanders.check()
    check_threads(server, f"/{VICTIM}")
    assert refusals(server) - before <= 1
