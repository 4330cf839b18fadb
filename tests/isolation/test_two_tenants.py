# SPDX-License-Identifier: Apache-2.0
"""Two tenants of one server, as users of their own and with embedded mode forbidden: while one attacks, not a byte of the
other's requests or responses reaches it, and the figures of the other are exact."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache.client import HOST
from apache.endpoint import read
from apache.httpd import Httpd
from apache.process import wait_until
from apache.scale import scaled

from .forged_responses import FORGED
from .server import ATTACKER, IS_ROOT, THREADS, VICTIM, WEB_USER, Serve, daemons, script, two_tenants, web_children

SECRET = "victims-secret-"
SECONDS = scaled(6, 60)
CLIENTS = 4
PROCESS_ATTACKS = (
    *("count_listeners", "connect_to_others", "take_descriptors", "send_signals", "forge_heartbeats", "make_writable"),
    *("write_to_others", "shut_listener_down", "close_listener", "end_at_once", "fork_and_stay", "use_up_descriptors"),
    *("punch_own_holes", "set_limits_of_others", "accept_for_others", "overwrite?pattern=ones", "overwrite?pattern=70000"),
)

pytestmark = pytest.mark.skipif(not IS_ROOT, reason="only root has tenants of different users, and sees their memory")


@pytest.fixture(params=["event", "prefork"])
def server(request: pytest.FixtureRequest, serve: Serve) -> Httpd:
    lines = [line.replace("witness_app.py", "secrets_app.py") for line in two_tenants(attacker="socket-timeout=2")]
    return serve(
        "WSGIRestrictEmbedded On",
        *lines,
        script("/forger", "forger_app.py", ATTACKER),
        "LogLevel wsgi:error",
        mpm=request.param,
        processes=6 if request.param == "prefork" else 2,
        threads=2 * THREADS,
    )


class Victim:
    """Sends secrets on kept connections, and checks that each answer is that of its own request."""

    def __init__(self, server: Httpd, ends: float) -> None:
        self.sent = 0
        self.faults: list[str] = []
        self._server, self._ends = server, ends
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self.threads = [threading.Thread(target=self._send_all) for _ in range(CLIENTS)]

    def _send_all(self) -> None:
        connection = http.client.HTTPConnection(HOST, self._server.port, timeout=20)
        while time.monotonic() < self._ends:
            with self._lock:
                secret = f"{SECRET}{next(self._numbers)}"
            body = f"{secret}-in-the-body".encode() * random.choice((1, 100, 5000))
            try:
                connection.request("POST", f"/{VICTIM}/", body, {"Cookie": f"session={secret}"})
                answer = connection.getresponse()
                received = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.faults.append(repr(error))
                connection.close()
                continue
            with self._lock:
                self.sent += 1
            if answer.status != 200 or received != secret.encode() + b":" + body:
                self.faults.append(f"{answer.status}: {received[:100]!r}")
            time.sleep(0.002)
        connection.close()


class Attacker:
    """Attacks without a pause and keeps all that it is answered."""

    def __init__(self, server: Httpd, ends: float) -> None:
        self.attacks = 0
        self.received = bytearray()
        self._server, self._ends = server, ends
        pids = [server.pid, *web_children(server)[:1], *daemons(server, VICTIM)]
        sockets = sorted(map(str, server.layout.root.glob("wsgi.*.sock")))
        self._query = f"pids={','.join(map(str, pids))}&sockets={','.join(sockets)}&own={sockets[0]}"
        self.threads = [threading.Thread(target=attack) for attack in (self._attack_processes, self._forge)]

    def _ask(self, path: str) -> None:
        with contextlib.suppress(OSError, OverflowError, http.client.HTTPException):
            connection = http.client.HTTPConnection(HOST, self._server.port, timeout=10)
            with contextlib.closing(connection):
                connection.request("GET", path)
                self.received += connection.getresponse().read()
        self.attacks += 1

    def _attack_processes(self) -> None:
        for attack in itertools.cycle(PROCESS_ATTACKS):
            if time.monotonic() > self._ends:
                return
            self._ask(f"/{ATTACKER}/{attack}{'&' if '?' in attack else '?'}{self._query}")

    def _forge(self) -> None:
        cases = random.Random(3).sample(FORGED, len(FORGED))
        for number, case in enumerate(itertools.cycle(cases)):
            if time.monotonic() > self._ends:
                return
            (self._server.out / f"forged-{number}").write_bytes(case.sent)
            self._ask(f"/forger/forge?file=forged-{number}")


def memory_of(pid: int) -> Iterator[bytes]:
    """All that a process can read, which only root can look at from outside."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split()
            begin, end = (int(part, 16) for part in fields[0].split("-"))
            if not fields[1].startswith("r") or end >> 47:
                continue
            with contextlib.suppress(OSError, OverflowError):
                memory.seek(begin)
                yield memory.read(end - begin)


def knows_secrets(pid: int) -> bool:
    return any(SECRET.encode() in piece for piece in memory_of(pid))


def test_nothing_of_one_tenant_reaches_the_other(server: Httpd) -> None:
    before = read(server).requests(VICTIM)
    own = daemons(server, VICTIM)
    ends = time.monotonic() + SECONDS
    victim, attacker = Victim(server, ends), Attacker(server, ends)
    for thread in (*victim.threads, *attacker.threads):
        thread.start()
    knowing = []
    while time.monotonic() < ends:
        knowing += [pid for pid in daemons(server, ATTACKER) if knows_secrets(pid)]
        time.sleep(0.2)
    for thread in (*victim.threads, *attacker.threads):
        thread.join()

    assert not victim.faults, victim.faults[:5]
    assert victim.sent > 100
    assert attacker.attacks > 50
    assert SECRET.encode() not in attacker.received
    assert not knowing, "a secret is in the memory of the attacker's process"
    assert daemons(server, VICTIM) == own
    wait_until(lambda: read(server).requests(VICTIM) - before == victim.sent, "exact counts")
    left = [path for path in server.layout.root.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert [path.name for path in left] == [], "a secret was written to a file"
    print(f"{victim.sent} requests with secrets, {attacker.attacks} attacks as {WEB_USER.pw_name}'s neighbour")


def test_the_search_for_secrets_finds_them_where_they_are(server: Httpd) -> None:
    victim = Victim(server, time.monotonic() + 1.0)
    for thread in victim.threads:
        thread.start()
    for thread in victim.threads:
        thread.join()
    (own,) = daemons(server, VICTIM)
    assert knows_secrets(own)
    assert not any(knows_secrets(pid) for pid in daemons(server, ATTACKER))
    assert not knows_secrets(server.pid)
