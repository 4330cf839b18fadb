# SPDX-License-Identifier: Apache-2.0
"""Clients that go away, that are slow, and that are many: the others are served, and all are counted."""

from __future__ import annotations

import itertools
import random
import threading
import time

import pytest

from .client import RawClient, request_head
from .httpd import Httpd, StartHttpd
from .load import Request, Tally, send_for, send_number
from .process import open_files, wait_until
from .scale import LONG_TIMEOUT_SECONDS, figure, scaled
from .windows import read_reports, total, wait_for_total

BODY_BYTES = 200_000
WEDGED_SECONDS = 20.0

pytestmark = pytest.mark.timeout(LONG_TIMEOUT_SECONDS)


def start(start_httpd: StartHttpd, mode: str, threads: int, *more: str) -> Httpd:
    group = "d" if mode == "daemon" else "%{GLOBAL}"
    return start_httpd(
        f"WSGIDaemonProcess d threads={min(threads, 32)}",
        f"WSGIScriptAlias / ${{APPS}}/clients_app.py process-group={group} "
        "application-group=%{GLOBAL}",
        "WSGIPythonPath ${APPS}",
        'CustomLog ${OUT}/access.log "%R"',
        *more,
        threads=threads,
    )


def served_by_wsgi(server: Httpd) -> int:
    """Requests of the access log that got as far as the handler."""
    return (server.out / "access.log").read_text().split().count("wsgi-script")


# Clients that go away


def go_away(port: int, chance: random.Random) -> None:
    """Sends a request up to any byte, reads its answer up to any byte, and resets the connection."""
    head = request_head("POST", "/?blocks=100", f"Content-Length: {BODY_BYTES}")
    where = chance.choice(["before", "head", "body", "response"])
    with RawClient(port) as client:
        if where == "head":
            client.send(head[: chance.randrange(1, len(head))])
        elif where == "body":
            client.send(head + b"x" * chance.randrange(BODY_BYTES))
        elif where == "response":
            client.send(head + b"x" * BODY_BYTES)
            client.read_some(chance.randrange(1, 800_000))
        if chance.random() < 0.5:
            time.sleep(0.01 * chance.random())
        client.abort()


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_clients_that_go_away_free_the_workers_and_are_counted(
    start_httpd: StartHttpd, mode: str
) -> None:
    server = start(start_httpd, mode, 4)
    assert server.get("/").status == 200
    files = {pid: open_files(pid) for pid in server.children()}
    number, clients = scaled(150, 2000), 6

    def run(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(number // clients):
            go_away(server.port, chance)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = [server.get("/").status for _ in range(8)]
    assert answers == [200] * 8
    wait_until(
        lambda: all(r.last["process"]["active_requests"] == 0 for r in read_reports(server.out)),
        "no request in flight",
        WEDGED_SECONDS,
    )
    wait_for_total(server.out, "request_count", served_by_wsgi(server))
    grown = max(open_files(pid) - before for pid, before in files.items())
    server.stop()
    logged, counted = served_by_wsgi(server), total(read_reports(server.out), "request_count")
    figure(f"{number} aborts, {mode}", logged=logged, counted=counted, files_more=grown)
    assert logged == counted > number // 3
    assert grown <= 8, "descriptors are left behind"


# Clients that are slow


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_clients_that_send_a_byte_a_second_keep_nobody_else_waiting(
    start_httpd: StartHttpd, mode: str
) -> None:
    slow, seconds = scaled(20, 200), float(scaled(1, 20))
    server = start(start_httpd, mode, slow + 16)
    alone = send_for(server.port, [Request("/")], seconds, clients=4)
    stopping = threading.Event()
    # In daemon mode a head that is not whole holds no thread of the daemon process; a body does.
    bodies = 10 if mode == "daemon" else slow // 2

    def trickle(number: int) -> None:
        with RawClient(server.port) as client:
            head = request_head("POST", "/", "Content-Length: 10000")
            if number < bodies:
                client.send(head)
                head = b"x" * 10000
            for offset in range(len(head)):
                client.send(head[offset : offset + 1])
                if stopping.wait(1.0):
                    return

    threads = [threading.Thread(target=trickle, args=(i,)) for i in range(slow)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    beside = send_for(server.port, [Request("/")], seconds, least=20, clients=4)
    stopping.set()
    for thread in threads:
        thread.join()
    figure(
        f"{slow} slow clients, {mode}",
        requests_per_second_alone=round(alone.responses / seconds),
        beside_them=round(beside.responses / seconds),
    )
    assert not beside.failures, beside.failures[:3]
    assert beside.of_class(2) == beside.responses


# Clients that are many


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_many_threads_at_work_in_python_stall_nobody(start_httpd: StartHttpd, mode: str) -> None:
    server = start(start_httpd, mode, 32)
    seconds = float(scaled(2, 150))
    end = time.monotonic() + seconds
    durations: list[float] = []
    ends: list[float] = []
    whole = Tally()
    lock = threading.Lock()

    def run() -> None:
        own = []
        tally = Tally()
        while time.monotonic() < end:
            begun = time.monotonic()
            tally.merge(send_number(server.port, [Request("/?work=1")], 1, clients=1))
            ended = time.monotonic()
            own.append((ended - begun, ended))
        with lock:
            durations.extend(duration for duration, _ in own)
            ends.extend(ended for _, ended in own)
            whole.merge(tally)

    threads = [threading.Thread(target=run) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    durations.sort()
    ends.sort()
    figure(
        f"32 threads at work for {seconds:.0f} s, {mode}",
        requests=len(durations),
        p50_ms=round(1000 * durations[len(durations) // 2]),
        p99_ms=round(1000 * durations[len(durations) * 99 // 100]),
        longest_ms=round(1000 * durations[-1]),
        longest_without_an_answer_ms=round(1000 * max(b - a for a, b in itertools.pairwise(ends))),
    )
    assert not whole.failures, whole.failures[:3]
    assert whole.of_class(2) == len(durations)
